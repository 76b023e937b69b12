"""The user's model, bound to the tensors of the checkpoints, and its weights laid out so that a mix is one product.

Every parameter becomes a view of one flat vector per kind ({@link Bucket}): the mix is written straight into the model,
and the backward pass adds straight into one flat gradient. Nothing is flattened or scattered in a step.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Dict, List, Optional, Sequence, Tuple

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from .checkpoints import Checkpoint
from .errors import EngineError
from .task import unwrap

# parameter: mixed, with a gradient; state: mixed, without (frozen parameters, other buffers); running: BatchNorm's.
ROLES = ("parameter", "state", "running")
# Every tensor starts where vector instructions and cuBLAS like it: 64 elements are 256 bytes in float32.
_ALIGN = 64


class Slot:
    """One tensor of the model, however many names it has there (tied weights)."""

    def __init__(self, name: str, key: str, tensor: torch.Tensor, role: str) -> None:
        self.name = name
        self.key = key
        self.tensor = tensor
        self.role = role
        self.offset = 0

    @property
    def numel(self) -> int:
        return self.tensor.numel()


class Bucket:
    """Slots of one role, block, device and dtype in one vector; `columns` of it are theirs, with gaps of zeros."""

    def __init__(self, role: str, block: Optional[int], slots: List[Slot], multiple: int) -> None:
        self.role = role
        self.block = block
        self.slots = slots
        first = slots[0].tensor
        end = 0
        for slot in slots:
            slot.offset = end
            end += -(-slot.numel // _ALIGN) * _ALIGN
        # So that it can be cut into equal parts, one per rank.
        self.columns = -(-end // (multiple * _ALIGN)) * multiple * _ALIGN
        self.flat = torch.zeros(self.columns, dtype=first.dtype, device=first.device)
        self.gradient = torch.zeros_like(self.flat) if role == "parameter" else None
        self._gradients: List[torch.Tensor] = []
        for slot in slots:
            view = self._view(self.flat, slot)
            view.copy_(slot.tensor.detach())
            if self.gradient is not None:
                self._gradients.append(self._view(self.gradient, slot))
            slot.tensor.data = view

    @property
    def device(self) -> torch.device:
        return self.flat.device

    @property
    def work_dtype(self) -> torch.dtype:
        """What mixes are computed in: float32, or wider where the model is."""
        return torch.float64 if self.flat.dtype == torch.float64 else torch.float32

    def start_gradient(self) -> None:
        assert self.gradient is not None
        self.gradient.zero_()
        for slot, view in zip(self.slots, self._gradients):
            slot.tensor.grad = view

    def finish_gradient(self) -> torch.Tensor:
        """The flat gradient. Autograd adds in place, unless a hook of the user's put another tensor there."""
        assert self.gradient is not None
        for slot, view in zip(self.slots, self._gradients):
            given = slot.tensor.grad
            if given is None:
                view.zero_()
            elif given.data_ptr() != view.data_ptr():
                view.copy_(given.to_dense() if given.is_sparse else given)
        return self.gradient

    def _view(self, flat: torch.Tensor, slot: Slot) -> torch.Tensor:
        return flat.as_strided(slot.tensor.shape, _dense_strides(slot.tensor), slot.offset)

    def flat_source(self, slot: Slot, source: torch.Tensor) -> torch.Tensor:
        """A checkpoint's tensor as a vector, in the order in which this slot lies in memory."""
        strides = _dense_strides(slot.tensor)
        if strides == tuple(torch.empty(slot.tensor.shape, device="meta").stride()):
            return source.reshape(-1)
        laid = torch.empty_strided(slot.tensor.shape, strides, dtype=source.dtype)
        laid.copy_(source)
        return laid.as_strided((slot.numel,), (1,))


class Weights:
    """The model's tensors and the checkpoints' they come from."""

    def __init__(self, model: torch.nn.Module, checkpoint: Checkpoint) -> None:
        self.model = unwrap(model)
        self.notes: List[str] = []
        self.slots: List[Slot] = []
        self.copied: List[Slot] = []  # integers and flags: never mixed
        self.norms: List[Tuple[str, _BatchNorm]] = []
        self._bind(checkpoint)

    @property
    def parameters(self) -> int:
        return sum(slot.numel for slot in self.slots if slot.role == "parameter")

    @property
    def running(self) -> List[Slot]:
        return [slot for slot in self.slots if slot.role == "running"]

    def buckets(self, blocks: Optional[Sequence[Sequence[str]]], multiple: int) -> List[Bucket]:
        """`blocks`: tensors (by the checkpoint's names) that have coefficients of their own."""
        block_of = {key: at for at, keys in enumerate(blocks or []) for key in keys}
        groups: Dict[Tuple[str, Optional[int], str, torch.dtype], List[Slot]] = {}
        for slot in self.slots:
            kind = (slot.role, block_of.get(slot.key), str(slot.tensor.device), slot.tensor.dtype)
            groups.setdefault(kind, []).append(slot)
        return [Bucket(role, block, slots, multiple) for (role, block, _, _), slots in groups.items()]

    def requires(self, checkpoint: Checkpoint) -> None:
        """Throws `mismatch` unless a checkpoint has every tensor that the first one had, in its shape."""
        for slot in [*self.slots, *self.copied]:
            tensor = checkpoint.tensors.get(slot.key)
            if tensor is None or tensor.shape != slot.tensor.shape:
                found = "no such tensor" if tensor is None else f"one of shape {list(tensor.shape)}"
                raise EngineError(
                    "mismatch",
                    f"{checkpoint.path} has {found} as {slot.key}, which is {list(slot.tensor.shape)} in the model.",
                    checkpoint.path,
                )

    def _bind(self, checkpoint: Checkpoint) -> None:
        modules = dict(self.model.named_modules())
        running = set()
        for name, module in modules.items():
            if isinstance(module, _BatchNorm) and module.running_mean is not None:
                self.norms.append((name, module))
                running |= {id(module.running_mean), id(module.running_var)}

        names: Dict[int, List[str]] = {}
        tensors: Dict[int, torch.Tensor] = {}
        for name, value in self.model.state_dict(keep_vars=True).items():
            if isinstance(value, torch.Tensor):
                names.setdefault(id(value), []).append(name)
                tensors[id(value)] = value
        keys = _match([_clean(name) for all_names in names.values() for name in all_names], checkpoint.tensors)

        details: List[str] = []
        used = set()
        for identity, tensor in tensors.items():
            every = names[identity]
            found = [keys[_clean(name)] for name in every if _clean(name) in keys]
            used.update(found)
            mixed = tensor.is_floating_point()
            frozen = isinstance(tensor, torch.nn.Parameter) and not tensor.requires_grad
            shape = list(tensor.shape)
            if not found:
                if frozen or not mixed:
                    # A frozen base model under adapters, a counter: they stay as model() gives them.
                    self.notes.append(every[0])
                else:
                    details.append(f"The model has {every[0]} {shape}, the checkpoint has not.")
                continue
            source = checkpoint.tensors[found[0]]
            if source.shape != tensor.shape:
                details.append(f"{every[0]} is {shape} in the model and {list(source.shape)} in the checkpoint.")
            elif mixed and not source.is_floating_point():
                details.append(f"{every[0]} is {source.dtype} in the checkpoint: only floating-point weights can be mixed.")
            elif mixed:
                role = "running" if identity in running else "parameter" if tensor.requires_grad else "state"
                self.slots.append(Slot(every[0], found[0], tensor, role))
            else:
                self.copied.append(Slot(every[0], found[0], tensor, "state"))
        for key in _strangers(keys, used, checkpoint.tensors):
            details.append(f"The checkpoint has {key} {list(checkpoint.tensors[key].shape)}, the model has not.")
        if details:
            more = f" There are {len(details)} differences in all." if len(details) > 1 else ""
            raise EngineError(
                "mismatch",
                f"The task's model is not the one in {checkpoint.path}: {details[0]}{more}",
                checkpoint.path,
                details=details[:100],
            )
        if self.parameters == 0:
            raise EngineError(
                "mismatch",
                f"No parameter of the task's model that is trained (requires_grad) is in {checkpoint.path}.",
                checkpoint.path,
            )


def _clean(name: str) -> str:
    """torch.compile puts this before the names of the modules that it wraps."""
    return name.replace("_orig_mod.", "")


def _match(names: Sequence[str], tensors: Mapping[str, torch.Tensor]) -> Dict[str, str]:
    """
    Key in the checkpoint by name in the model, as many as there are. One side may have a prefix that the other has not:
    `model.` in a Lightning checkpoint, `module.` in a data-parallel one.
    """
    keys: Dict[str, str] = {}
    for key in tensors:
        keys.setdefault(_clean(key), key)
    pairs = {("", "")}
    for name in names[:50]:
        for key in keys:
            if key.endswith("." + name):
                pairs.add((key[: -len(name)], ""))
            elif name.endswith("." + key):
                pairs.add(("", name[: -len(key)]))
    best: Dict[str, str] = {}
    for theirs, ours in sorted(pairs):
        found = {}
        for name in names:
            if name.startswith(ours):
                key = keys.get(theirs + name[len(ours) :])
                if key is not None:
                    found[name] = key
        if len(found) > len(best):
            best = found
    return best


def _strangers(keys: Mapping[str, str], used: "set[str]", tensors: Mapping[str, torch.Tensor]) -> List[str]:
    """Weights of the checkpoint, where the model's are, that the model does not know."""
    prefix = None
    for name, key in keys.items():
        clean = _clean(key)
        if clean.endswith(name):
            prefix = clean[: -len(name)] if prefix is None else prefix
    if prefix is None:
        prefix = ""
    identities = {tensors[key].data_ptr() for key in used}
    return [
        key
        for key, tensor in tensors.items()
        if key not in used
        and tensor.is_floating_point()
        and _clean(key).startswith(prefix)
        and tensor.numel() > 0
        and tensor.data_ptr() not in identities
    ]


def _dense_strides(tensor: torch.Tensor) -> Tuple[int, ...]:
    """The tensor's own strides where it fills its memory without gaps (channels_last does), else contiguous ones."""
    expected = 1
    for stride, size in sorted((s, n) for s, n in zip(tensor.stride(), tensor.shape) if n != 1):
        if stride != expected:
            return tuple(torch.empty(tensor.shape, device="meta").stride())
        expected = stride * size
    return tuple(tensor.stride())
