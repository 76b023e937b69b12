"""The user's task file, and what stands in where it says nothing (Hugging Face models, Lightning modules)."""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Mapping
from typing import Any, Callable, Dict, Iterator

import torch

from .errors import EngineError, user_code

NAMES = ("model", "data", "loss", "metrics", "load", "collate")
Scores = Dict[str, torch.Tensor]


class Task:
    """`metric` is the name that the twa.json asks for; "loss" is always there."""

    def __init__(self, path: str, metric: str) -> None:
        self.path = os.path.abspath(path)
        self._metric = metric
        folder = os.path.dirname(self.path)
        if folder not in sys.path:
            sys.path.insert(0, folder)
        self._module = self._import()
        self._functions: Dict[str, Callable[..., Any]] = {}
        for name in NAMES:
            value = getattr(self._module, name, None)
            if value is None:
                continue
            if not callable(value):
                raise self.error(f"its {name} is not a function")
            self._functions[name] = value
        for name in ("model", "data"):
            if name not in self._functions:
                raise self.error(f"has no function {name}()")

    def has(self, name: str) -> bool:
        return name in self._functions

    def error(self, what: str) -> EngineError:
        return EngineError("bad-task", f"{self.path}: {what}.", self.path)

    def model(self, checkpoint: str) -> torch.nn.Module:
        function = self._functions["model"]
        with user_code("model()", self.path):
            model = function(checkpoint) if _takes_argument(function) else function()
        if not isinstance(model, torch.nn.Module):
            raise self.error(f"model() gave {_kind(model)}, not a torch.nn.Module")
        return model

    def call(self, name: str, *arguments: Any) -> Any:
        with user_code(f"{name}()", self.path):
            return self._functions[name](*arguments)

    def loss(self, model: torch.nn.Module, batch: Any) -> torch.Tensor:
        """A vector over the examples of the batch, or their mean."""
        if self.has("loss"):
            value = self.call("loss", model, batch)
        elif _is_lightning(model):
            with user_code("training_step()", self.path), _captured_logs(model):
                value = model.training_step(batch, 0)
            if isinstance(value, Mapping):
                value = value.get("loss")
        else:
            value = self._outputs(model, batch).get("loss")
            if value is None:
                raise self.error("has no loss(), and the model gives none for these batches: are labels in them?")
        return self._tensor("loss()", value)

    def scores(self, model: torch.nn.Module, batch: Any) -> Scores:
        """Loss and metrics of a batch, for a model in evaluation mode."""
        scores: Scores = {}
        if self.has("metrics"):
            scores = self._named("metrics()", self.call("metrics", model, batch))
        elif _is_lightning(model) and _overrides(model, "validation_step"):
            with user_code("validation_step()", self.path), _captured_logs(model) as logged:
                model.validation_step(batch, 0)
            scores = self._named("validation_step()", logged)
        scores["loss"] = self.loss(model, batch)
        if self._metric not in scores:
            given = ", ".join(sorted(scores))
            where = "metrics(model, batch)" if not _is_lightning(model) else "validation_step"
            raise self.error(f'the metric of the twa.json is "{self._metric}", but {where} gives only: {given}')
        return scores

    def _outputs(self, model: torch.nn.Module, batch: Any) -> Mapping[str, Any]:
        """As a Hugging Face model gives them."""
        if not isinstance(batch, Mapping):
            raise self.error(
                f"has no function loss(model, batch); only a model with a loss of its own, whose batches are dicts (not "
                f"{_kind(batch)}), can do without"
            )
        with user_code("the model", self.path):
            outputs = model(**batch)
        if not isinstance(outputs, Mapping):
            raise self.error(f"has no function loss(model, batch), and the model gives {_kind(outputs)} without a loss")
        return outputs

    def _named(self, what: str, given: Any) -> Scores:
        if not isinstance(given, Mapping):
            raise self.error(f"{what} gave {_kind(given)}: give a dict of tensors by name")
        return {str(name): self._tensor(f'{what}["{name}"]', value) for name, value in given.items()}

    def _tensor(self, what: str, value: Any) -> torch.Tensor:
        if isinstance(value, (int, float)):
            value = torch.tensor(float(value))
        if isinstance(value, torch.Tensor) and value.dim() <= 1:
            return value
        shape = f" of shape {list(value.shape)}" if isinstance(value, torch.Tensor) else ""
        raise self.error(f"{what} gave {_kind(value)}{shape}: give one number per example, or their mean")

    def _import(self) -> Any:
        name = "twa_user_task"
        with user_code("loading the task", self.path):
            spec = importlib.util.spec_from_file_location(name, self.path)
            if spec is None or spec.loader is None:
                raise ImportError(f"{self.path} is no Python file")
            module = importlib.util.module_from_spec(spec)
            # Pickles of its classes, and worker processes, look it up by name.
            sys.modules[name] = module
            spec.loader.exec_module(module)
            return module


def unwrap(model: torch.nn.Module) -> torch.nn.Module:
    """The user's own module inside torch.compile's and the data-parallel wrappers."""
    while True:
        inner = getattr(model, "_orig_mod", None)
        if inner is None and type(model).__name__ in ("DistributedDataParallel", "DataParallel"):
            inner = model.module
        if not isinstance(inner, torch.nn.Module):
            return model
        model = inner


def _takes_argument(function: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    return any(
        p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.default is p.empty for p in parameters
    )


def _is_lightning(model: torch.nn.Module) -> bool:
    return _overrides(model, "training_step")


# Under which names Lightning is imported.
_LIGHTNING = ("lightning", "pytorch_lightning")


def _overrides(model: torch.nn.Module, name: str) -> bool:
    """Whether the user wrote this hook: Lightning's base class has one of every name."""
    method = getattr(type(model), name, None)
    return method is not None and (getattr(method, "__module__", None) or "").split(".", 1)[0] not in _LIGHTNING


@contextlib.contextmanager
def _captured_logs(model: torch.nn.Module) -> Iterator[Dict[str, Any]]:
    """What a Lightning module logs, without the trainer that logging wants."""
    logged: Dict[str, Any] = {}

    def log(name: str, value: Any, *_: Any, **__: Any) -> None:
        compute = getattr(value, "compute", None)
        value = compute() if callable(compute) else value
        logged[name] = value.detach() if isinstance(value, torch.Tensor) else value

    def log_dict(values: Mapping[str, Any], *_: Any, **__: Any) -> None:
        for name, value in values.items():
            log(name, value)

    before = {name: model.__dict__.get(name) for name in ("log", "log_dict")}
    object.__setattr__(model, "log", log)
    object.__setattr__(model, "log_dict", log_dict)
    try:
        yield logged
    finally:
        for name, value in before.items():
            if value is None:
                object.__delattr__(model, name)
            else:
                object.__setattr__(model, name, value)


def _kind(value: Any) -> str:
    return "None" if value is None else f"a {type(value).__name__}"

