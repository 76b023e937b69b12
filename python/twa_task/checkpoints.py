"""Reads checkpoint files lazily: tensors that are maps of the file, so that n checkpoints cost no memory until they are read.

What cannot be mapped (legacy `.pt` files, torch before 2.1, a task's own `load`) is written once to a temporary file that
can be: there are never n copies in memory.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import struct
import tempfile
from collections.abc import Mapping
from typing import Any, Dict, List, Optional, Sequence, Tuple

import torch

from .errors import EngineError
from .task import Task

# https://github.com/huggingface/safetensors#format; names beyond torch's own are looked up when they are met.
_SAFETENSORS = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
    "U16": "uint16",
    "U32": "uint32",
    "U64": "uint64",
    "BOOL": "bool",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "C64": "complex64",
}
_MAX_HEADER = 100_000_000


class Checkpoint:
    """Tensors by their names in the file's header, as the TypeScript side tells them (with `load`: as that gives them)."""

    def __init__(self, path: str, tensors: Dict[str, torch.Tensor], keep: Sequence[Any] = ()) -> None:
        self.path = path
        self.tensors = tensors
        self._keep = keep


def open_checkpoint(source: Mapping[str, Any], task: Task) -> Checkpoint:
    """`source`: path, format, files and tensor names of a checkpoint that is known to be complete."""
    path: str = source["path"]
    if task.has("load"):
        loaded = task.call("load", path)
        if isinstance(loaded, torch.nn.Module):
            loaded = loaded.state_dict()
        if not isinstance(loaded, Mapping):
            raise task.error(f"load() gave a {type(loaded).__name__} for {path}: give its state_dict")
        tensors = {str(name): value.detach() for name, value in loaded.items() if isinstance(value, torch.Tensor)}
        return _spill(path, tensors)
    kind = source["format"]
    if kind in ("safetensors", "safetensors-directory"):
        files = [file for file in source["files"] if file.endswith(".safetensors")]
        return _from_safetensors(path, files)
    if kind == "torch":
        return _from_torch(path, source["files"][0], source["tensors"])
    raise EngineError(
        "unsupported",
        f"{path} is a {kind} checkpoint, which PyTorch does not read by itself: give the task a function load(path) that "
        "returns its state_dict.",
        path,
    )


def _from_safetensors(path: str, files: Sequence[str]) -> Checkpoint:
    tensors: Dict[str, torch.Tensor] = {}
    maps = []
    for file in files:
        with open(file, "rb") as handle:
            # A private map, so that torch may treat it as writable; nobody writes to it.
            mapped = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_COPY)
        maps.append(mapped)
        (length,) = struct.unpack_from("<Q", mapped, 0)
        if length > _MAX_HEADER or 8 + length > len(mapped):
            raise EngineError("bad-checkpoint", f"{file} is no complete safetensors file.", file)
        header = json.loads(mapped[8 : 8 + length])
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            dtype = getattr(torch, _SAFETENSORS.get(entry["dtype"], ""), None)
            if dtype is None:
                raise EngineError("unsupported", f"{file}: this torch has no {entry['dtype']} ({name}).", file)
            start, end = entry["data_offsets"]
            shape = entry["shape"]
            if end == start:
                tensors[name] = torch.empty(shape, dtype=dtype)
                continue
            count = (end - start) // _size(dtype)
            tensors[name] = torch.frombuffer(mapped, dtype=dtype, count=count, offset=8 + length + start).reshape(shape)
    return Checkpoint(path, tensors, maps)


def _from_torch(path: str, file: str, names: Sequence[str]) -> Checkpoint:
    options: Dict[str, Any] = {"map_location": "cpu", "weights_only": True}
    mapped = True
    try:
        try:
            loaded = torch.load(file, mmap=True, **options)
        except (TypeError, RuntimeError, ValueError):
            # torch before 2.1, or a file in the format before torch 1.6.
            mapped = False
            loaded = torch.load(file, **options)
    except Exception as error:
        first = str(error).strip().split("\n", 1)[0]
        raise EngineError(
            "unsupported",
            f"{file} cannot be loaded with weights_only=True ({type(error).__name__}: {first}). If you trust the file, give "
            "the task a function load(path) that returns its state_dict.",
            file,
        ) from error
    tensors = _find(loaded, names)
    if tensors is None:
        raise EngineError(
            "unsupported",
            f"{file} holds no dictionary with the weights: give the task a function load(path) that returns its state_dict.",
            file,
        )
    return Checkpoint(path, tensors) if mapped else _spill(path, tensors)


def _find(loaded: Any, names: Sequence[str]) -> Optional[Dict[str, torch.Tensor]]:
    """The dictionary that has all these names, the outermost first: which one it is was decided when the file was read."""
    level: List[Any] = [loaded]
    for _ in range(4):
        following: List[Any] = []
        for value in level:
            if not isinstance(value, Mapping):
                continue
            flat = _flatten(value)
            if all(name in flat for name in names):
                return flat
            following += value.values()
        level = following
    return None


def _flatten(value: Mapping[Any, Any], prefix: str = "") -> Dict[str, torch.Tensor]:
    flat: Dict[str, torch.Tensor] = {}
    for key, item in value.items():
        name = f"{prefix}{key}"
        if isinstance(item, torch.Tensor):
            flat[name] = item.detach()
        elif isinstance(item, Mapping):
            flat.update(_flatten(item, f"{name}."))
        elif isinstance(item, (list, tuple)):
            flat.update(_flatten(dict(enumerate(item)), f"{name}."))
    return flat


def _spill(path: str, tensors: Dict[str, torch.Tensor]) -> Checkpoint:
    """The same tensors in a temporary file that goes when the process ends, and no longer in memory."""
    places: List[Tuple[str, torch.dtype, torch.Size, int]] = []
    with tempfile.NamedTemporaryFile(prefix="twa-", suffix=".weights") as file:
        try:
            for name, tensor in tensors.items():
                dense = tensor.detach().to("cpu").contiguous()
                places.append((name, dense.dtype, dense.shape, file.tell()))
                if dense.numel() > 0:
                    # No copy, and no need for numpy.
                    file.write((ctypes.c_char * (dense.numel() * dense.element_size())).from_address(dense.data_ptr()))
                # The next tensor starts where any dtype may.
                file.write(b"\0" * (-file.tell() % 64))
            file.write(b"\0" * 64)
            file.flush()
        except OSError as error:
            raise EngineError(
                "no-space",
                f"The weights of {path} cannot be kept in {tempfile.gettempdir()} ({error.strerror}): set TMPDIR to a folder "
                "with more space, or save checkpoints that can be mapped (torch 2.1, safetensors).",
                path,
            ) from error
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    back: Dict[str, torch.Tensor] = {}
    for name, dtype, shape, offset in places:
        count = 1
        for length in shape:
            count *= length
        if count == 0:
            back[name] = torch.empty(shape, dtype=dtype)
        else:
            back[name] = torch.frombuffer(mapped, dtype=dtype, count=count, offset=offset).reshape(shape)
    return Checkpoint(path, back, [mapped])


def _size(dtype: torch.dtype) -> int:
    return torch.empty((), dtype=dtype).element_size()
