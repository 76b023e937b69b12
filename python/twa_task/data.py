"""Examples by index, in whatever shape the task's `data(split)` gives them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Callable, Iterator, List, Optional, Sequence

import torch
from torch.utils.data import DataLoader, IterableDataset
from torch.utils.data._utils.collate import default_collate

from .errors import user_code
from .task import Task

Collate = Callable[[List[Any]], Any]


class Examples:
    """A split of known length whose batches can be made in any order."""

    size: int

    def batch(self, indices: Sequence[int]) -> Any:
        raise NotImplementedError

    def batches(self, parts: Sequence[Sequence[int]]) -> Iterator[Any]:
        """One batch after another; in worker processes where the user's DataLoader has them."""
        for indices in parts:
            yield self.batch(indices)


def open_split(task: Task, split: str) -> Optional[Examples]:
    given = task.call("data", split)
    if given is None:
        return None
    collate: Optional[Collate] = None
    workers = 0
    context: Any = None
    if isinstance(given, DataLoader) and not isinstance(given.dataset, IterableDataset):
        collate, workers, context = given.collate_fn, given.num_workers, given.multiprocessing_context
        given = given.dataset
        if isinstance(given, (list, tuple)):
            # A list is a map-style dataset, which in a DataLoader it is meant to be.
            return _Map(task, split, given, _collate(task, collate), workers, context)
    if isinstance(given, (Mapping, tuple, list)) and _is_table(given):
        return _Table(task, split, given)
    is_map = hasattr(given, "__getitem__") and hasattr(given, "__len__")
    if is_map and not isinstance(given, (list, tuple, Mapping)):
        return _Map(task, split, given, _collate(task, collate), workers, context)
    if isinstance(given, Iterable) and not isinstance(given, (str, bytes, Mapping)):
        return _Table(task, split, _join(task, split, given))
    raise task.error(
        f"data(\"{split}\") gave a {type(given).__name__}: give tensors, a Dataset, a DataLoader or a list of batches"
    )


def to_device(value: Any, device: torch.device) -> Any:
    """Tensors in tuples, lists and dicts, and anything else with a `to`, keeping the containers' own types."""
    if isinstance(value, torch.Tensor):
        return value.to(device, non_blocking=True)
    if isinstance(value, tuple):
        moved = [to_device(item, device) for item in value]
        return type(value)(*moved) if hasattr(value, "_fields") else tuple(moved)
    if isinstance(value, list):
        return [to_device(item, device) for item in value]
    if isinstance(value, dict):
        return {key: to_device(item, device) for key, item in value.items()}
    to = getattr(value, "to", None)
    return to(device) if callable(to) else value


class _Table(Examples):
    """Tensors whose first axis is the examples."""

    def __init__(self, task: Task, split: str, columns: Any) -> None:
        sizes = {len(tensor) for tensor in _leaves(columns)}
        if len(sizes) != 1:
            listed = ", ".join(str(size) for size in sorted(sizes))
            raise task.error(f'data("{split}") gave tensors of different lengths: {listed} examples')
        self.size = sizes.pop()
        self._columns = columns

    def batch(self, indices: Sequence[int]) -> Any:
        rows = torch.tensor(list(indices), dtype=torch.long)
        return _map(self._columns, lambda tensor: tensor.index_select(0, rows.to(tensor.device)))


class _Map(Examples):
    def __init__(self, task: Task, split: str, dataset: Any, collate: Collate, workers: int, context: Any) -> None:
        self._task = task
        self._what = f'data("{split}")'
        with user_code(f"{self._what}.__len__", task.path):
            self.size = len(dataset)
        self._dataset = dataset
        self._collate = collate
        self._workers = workers
        self._context = context

    def batch(self, indices: Sequence[int]) -> Any:
        with user_code(self._what, self._task.path):
            return self._collate([self._dataset[index] for index in indices])

    def batches(self, parts: Sequence[Sequence[int]]) -> Iterator[Any]:
        # Starting processes takes longer than a handful of batches.
        if self._workers == 0 or len(parts) < 2 * self._workers:
            yield from super().batches(parts)
            return
        loader = DataLoader(
            self._dataset,
            batch_sampler=[list(indices) for indices in parts],
            num_workers=self._workers,
            collate_fn=self._collate,
            multiprocessing_context=self._context,
        )
        iterator = iter(loader)
        for _ in parts:
            with user_code(self._what, self._task.path):
                batch = next(iterator)
            yield batch


def _collate(task: Task, given: Optional[Collate]) -> Collate:
    if task.has("collate"):
        return lambda examples: task.call("collate", examples)
    return default_collate if given is None else given


def _is_table(value: Any) -> bool:
    leaves = list(_leaves(value))
    return len(leaves) > 0 and all(isinstance(leaf, torch.Tensor) and leaf.dim() > 0 for leaf in leaves)


def _join(task: Task, split: str, batches: Iterable[Any]) -> Any:
    """Examples must be found by index, so batches become one table."""
    with user_code(f'data("{split}")', task.path):
        collected = list(batches)
    if not collected:
        raise task.error(f'data("{split}") gave no batch')
    if not all(isinstance(batch, (Mapping, tuple, list)) and _is_table(batch) for batch in collected):
        raise task.error(
            f'data("{split}") gave batches that are not tuples, lists or dicts of tensors: give a Dataset instead'
        )
    first = collected[0]
    try:
        if isinstance(first, Mapping):
            return {key: torch.cat([batch[key] for batch in collected]) for key in first}
        return tuple(torch.cat([batch[at] for batch in collected]) for at in range(len(first)))
    except (RuntimeError, KeyError, IndexError) as error:
        raise task.error(
            f'the batches of data("{split}") do not fit together ({error}): give a Dataset, with collate(examples)'
        ) from error


def _leaves(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, Mapping) else value


def _map(value: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    if isinstance(value, Mapping):
        return {key: change(tensor) for key, tensor in value.items()}
    return tuple(change(tensor) for tensor in value)
