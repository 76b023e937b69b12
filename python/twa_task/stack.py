"""The n checkpoints as one mean m and n rows R_i = w_i - m per bucket, in as much memory as there is.

A mix is w = s m + sum_i a_i R_i with s = sum_i a_i, and dL/da_i = <m, g> + <R_i, g>: one matrix-vector product each. How
the rows are kept is the memory mode; how they are used is not: a {@link Rows} gives any columns in the working precision.

    f32      float32 on the device                      4 bytes per number and checkpoint
    sharded  float32, the columns divided over the ranks 4 / ranks
    bf16     bfloat16 on the device                     2
    int8     8-bit codes, a scale per row and 4096 columns  1
    host     float32 in (pinned) host memory            4, of the host
    files    nothing: read from the checkpoint files in every step

bf16 and int8 round the rows only, so the error is relative to how far the checkpoints are apart, and they are used in
training steps alone: what is evaluated, and what is written, is mixed from the files.
"""

from __future__ import annotations

import os
from typing import Callable, List, Optional, Sequence, Tuple

import torch

from .checkpoints import Checkpoint
from .errors import EngineError
from .ranks import Ranks
from .weights import Bucket, Slot

MODES = ("f32", "sharded", "bf16", "int8", "host", "files")
LOSSY = ("bf16", "int8")
# Numbers of the stack that are worked on at a time: in a processor's cache, or enough to keep a GPU busy.
_CPU_CHUNK = 1 << 20
_GPU_CHUNK = 1 << 26
_CODE_BLOCK = 4096
# Of the memory that is free, what the stack may take: the rest is for activations and gradients.
_SHARE = 0.6


class Rows:
    """n rows over the columns [0, columns) of a bucket, or of this rank's part of it."""

    bytes: int = 0
    # Whether all columns at once cost nothing: they lie on the device as they are used.
    whole: bool = False

    def write(self, start: int, rows: torch.Tensor) -> None:
        raise NotImplementedError

    def read(self, start: int, end: int) -> torch.Tensor:
        """[n, end - start] on the bucket's device; valid until the next call."""
        raise NotImplementedError


class _Kept(Rows):
    """As they are; on the device or on the host."""

    def __init__(self, n: int, columns: int, dtype: torch.dtype, device: torch.device, on_host: bool) -> None:
        pinned = on_host and device.type == "cuda"
        self._rows = torch.zeros(n, columns, dtype=dtype, device="cpu" if on_host else device, pin_memory=pinned)
        self._device = device
        self.whole = self._rows.device.type == device.type
        self.bytes = self._rows.numel() * self._rows.element_size()

    def write(self, start: int, rows: torch.Tensor) -> None:
        self._rows[:, start : start + rows.shape[1]].copy_(rows)

    def read(self, start: int, end: int) -> torch.Tensor:
        return self._rows[:, start:end].to(self._device, non_blocking=True)


class _Halved(Rows):
    def __init__(self, n: int, columns: int, dtype: torch.dtype, device: torch.device) -> None:
        self._rows = torch.zeros(n, columns, dtype=torch.bfloat16, device=device)
        self._dtype = dtype
        self.bytes = 2 * self._rows.numel()

    def write(self, start: int, rows: torch.Tensor) -> None:
        self._rows[:, start : start + rows.shape[1]].copy_(rows)

    def read(self, start: int, end: int) -> torch.Tensor:
        return self._rows[:, start:end].to(self._dtype)


class _Coded(Rows):
    """Symmetric 8-bit codes around the mean: R = scale * code, the scale that of the largest of 4096 numbers."""

    def __init__(self, n: int, columns: int, dtype: torch.dtype, device: torch.device) -> None:
        blocks = -(-columns // _CODE_BLOCK)
        self._codes = torch.zeros(n, blocks * _CODE_BLOCK, dtype=torch.int8, device=device)
        self._scales = torch.zeros(n, blocks, dtype=dtype, device=device)
        self.bytes = self._codes.numel() + self._scales.numel() * self._scales.element_size()

    def write(self, start: int, rows: torch.Tensor) -> None:
        assert start % _CODE_BLOCK == 0
        n, width = rows.shape
        blocks = -(-width // _CODE_BLOCK)
        padded = torch.nn.functional.pad(rows, (0, blocks * _CODE_BLOCK - width)).reshape(n, blocks, _CODE_BLOCK)
        scales = padded.abs().amax(dim=2) / 127
        codes = torch.round(padded / torch.where(scales > 0, scales, torch.ones_like(scales)).unsqueeze(2))
        first = start // _CODE_BLOCK
        self._scales[:, first : first + blocks] = scales
        self._codes[:, start : start + blocks * _CODE_BLOCK] = codes.reshape(n, -1).to(torch.int8)

    def read(self, start: int, end: int) -> torch.Tensor:
        assert start % _CODE_BLOCK == 0
        first, last = start // _CODE_BLOCK, -(-end // _CODE_BLOCK)
        codes = self._codes[:, start : last * _CODE_BLOCK].to(self._scales.dtype)
        n = codes.shape[0]
        codes = codes.reshape(n, last - first, _CODE_BLOCK).mul_(self._scales[:, first:last].unsqueeze(2))
        return codes.reshape(n, -1)[:, : end - start]


class _Read(Rows):
    """From the files, every time."""

    def __init__(self, part: "Part", checkpoints: Sequence[Checkpoint]) -> None:
        self._part = part
        self._checkpoints = checkpoints

    def read(self, start: int, end: int) -> torch.Tensor:
        rows = self._part.originals(self._checkpoints, start, end)
        return rows.sub_(self._part.mean[start:end])


class Part:
    """This rank's columns of a bucket: all of them, unless the stack is sharded."""

    def __init__(self, bucket: Bucket, n: int, first: int, columns: int) -> None:
        self.bucket = bucket
        self.n = n
        self.first = first
        self.columns = columns
        self.mean = torch.zeros(columns, dtype=bucket.work_dtype, device=bucket.device)
        self.rows: Optional[Rows] = None
        self.exact: Optional[Rows] = None
        chunk = _GPU_CHUNK if bucket.device.type == "cuda" else _CPU_CHUNK
        self.chunk = max(_CODE_BLOCK, chunk // n // _CODE_BLOCK * _CODE_BLOCK)

    def chunks(self, whole: bool = False) -> List[Tuple[int, int]]:
        step = self.columns if whole else self.chunk
        return [(start, min(start + step, self.columns)) for start in range(0, self.columns, step)]

    def originals(self, checkpoints: Sequence[Checkpoint], start: int, end: int) -> torch.Tensor:
        """w_1..w_n in these columns, [n, end - start] on the device, in the working precision."""
        rows = torch.zeros(len(checkpoints), end - start, dtype=self.bucket.work_dtype)
        for slot, low, high, at in self._slots(start, end):
            for row, checkpoint in zip(rows, checkpoints):
                source = self.bucket.flat_source(slot, checkpoint.tensors[slot.key])
                row[at : at + high - low].copy_(source[low:high])
        return rows.to(self.bucket.device)

    def _slots(self, start: int, end: int) -> List[Tuple[Slot, int, int, int]]:
        """Slots in these columns: the slot, its elements [low, high), and where in the columns they begin."""
        found = []
        start, end = start + self.first, end + self.first
        for slot in self.bucket.slots:
            low, high = max(start, slot.offset), min(end, slot.offset + slot.numel)
            if low < high:
                found.append((slot, low - slot.offset, high - slot.offset, low - start))
        return found

    def locate(self, checkpoints: Sequence[Checkpoint], start: int, end: int, rows: torch.Tensor) -> EngineError:
        """Which number of which tensor of which file is not finite."""
        for slot, low, high, at in self._slots(start, end):
            bad = ~torch.isfinite(rows[:, at : at + high - low])
            if bool(bad.any()):
                i, column = (int(x) for x in bad.nonzero()[0])
                value = float(rows[i, at + column])
                path = checkpoints[i].path
                return EngineError(
                    "non-finite",
                    f"{path} has {value} in {slot.key} at index {low + column}; leave that checkpoint out.",
                    path,
                )
        return EngineError("non-finite", "The checkpoints have weights too large to average.")


class Stack:
    """`blocks` of the buckets decide which n of the coefficients a bucket is mixed by."""

    def __init__(
        self,
        buckets: Sequence[Bucket],
        checkpoints: Sequence[Checkpoint],
        mode: str,
        ranks: Ranks,
        block_count: int,
    ) -> None:
        self.n = len(checkpoints)
        self.mode = mode
        self.checkpoints = checkpoints
        self._ranks = ranks
        self._blocks = block_count
        self._sharded = mode == "sharded" and ranks.world > 1
        self.parts = []
        for bucket in buckets:
            columns = bucket.columns // ranks.world if self._sharded else bucket.columns
            self.parts.append(Part(bucket, self.n, ranks.rank * columns if self._sharded else 0, columns))
        # Products of the centred rows and the mean, [block, n + 1, n + 1], of the parameters; from the exact rows.
        self.products = torch.zeros(max(1, block_count), self.n + 1, self.n + 1, dtype=torch.float64)

    def build(self, report: Callable[[float], None]) -> None:
        """One pass over the files: mean, rows and Gram matrix, a few columns at a time."""
        total = max(1, sum(part.columns for part in self.parts))
        done = 0
        for part in self.parts:
            bucket = part.bucket
            part.exact = _Read(part, self.checkpoints)
            part.rows = self._make_rows(part)
            for start, end in part.chunks():
                rows = part.originals(self.checkpoints, start, end)
                if not bool(torch.isfinite(rows).all()):
                    raise part.locate(self.checkpoints, start, end, rows)
                # The mean of n float32 numbers, rounded once: on a device without float64 the host sums.
                mean = _wide(rows).mean(dim=0).to(bucket.work_dtype).to(bucket.device)
                part.mean[start:end] = mean
                rows.sub_(mean)
                if bucket.role == "parameter":
                    both = torch.cat([_wide(rows), _wide(mean).unsqueeze(0)])
                    self.products[bucket.block or 0] += (both @ both.T).cpu()
                if part.rows is not part.exact:
                    part.rows.write(start, rows)
                done += end - start
                report(done / total)
        if self._sharded:
            self._ranks.add(self.products)

    def combine(self, coefficients: Sequence[float], exact: bool, roles: Sequence[str]) -> None:
        """Writes the mix into the model, for the buckets of these roles."""
        for part in self.parts:
            if part.bucket.role in roles:
                self._combine(part, self._of(part.bucket, coefficients), exact)

    def write_checkpoint(self, index: int) -> None:
        """Checkpoint `index` as it is, into the model."""
        write_checkpoint([part.bucket for part in self.parts], self.checkpoints[index])

    def project(self, count: int) -> torch.Tensor:
        """dL/da from the buckets' gradients: `count` numbers in float64, of this rank's columns and examples."""
        result = torch.zeros(count, dtype=torch.float64)
        for part in self.parts:
            bucket = part.bucket
            if bucket.role != "parameter":
                continue
            gradient = bucket.finish_gradient()
            if self._sharded:
                gradient = self._ranks.reduce_scatter(gradient)
            assert part.rows is not None
            sums = torch.zeros(self.n, dtype=torch.float64)
            for start, end in part.chunks(part.rows.whole):
                piece = gradient[start:end].to(bucket.work_dtype)
                rows = part.rows.read(start, end)
                along_mean = torch.dot(part.mean[start:end], piece)
                sums += torch.cat([torch.mv(rows, piece), along_mean.unsqueeze(0)]).double().cpu()[: self.n]
                sums += along_mean.double().cpu()
            at = (bucket.block or 0) * self.n if count > self.n else 0
            result[at : at + self.n] += sums
        return result

    @property
    def bytes(self) -> int:
        """Of this rank."""
        return sum(
            (part.rows.bytes if part.rows is not None else 0) + part.mean.numel() * part.mean.element_size()
            for part in self.parts
        )

    def _combine(self, part: Part, coefficients: Sequence[float], exact: bool) -> None:
        bucket = part.bucket
        rows = part.exact if exact and self.mode in LOSSY else part.rows
        assert rows is not None
        target = bucket.flat[part.first : part.first + part.columns]
        mix = torch.tensor(list(coefficients), dtype=part.mean.dtype, device=bucket.device)
        whole = float(sum(coefficients))
        for start, end in part.chunks(rows.whole):
            mean = part.mean[start:end]
            if target.dtype == mean.dtype:
                torch.addmv(mean, rows.read(start, end).T, mix, beta=whole, out=target[start:end])
            else:
                target[start:end].copy_(torch.addmv(mean, rows.read(start, end).T, mix, beta=whole))
        if self._sharded:
            self._ranks.all_gather(bucket.flat, target)

    def _of(self, bucket: Bucket, coefficients: Sequence[float]) -> Sequence[float]:
        """n numbers for all, or block after block and then those for what is in no block."""
        if len(coefficients) == self.n:
            return coefficients
        block = self._blocks if bucket.block is None else bucket.block
        return coefficients[block * self.n : (block + 1) * self.n]

    def _make_rows(self, part: Part) -> Rows:
        bucket = part.bucket
        dtype, device = bucket.work_dtype, bucket.device
        if self.mode == "files":
            assert part.exact is not None
            return part.exact
        # Running statistics and other buffers are small, and a rounded variance may be negative.
        if self.mode == "bf16" and bucket.role == "parameter":
            return _Halved(self.n, part.columns, dtype, device)
        if self.mode == "int8" and bucket.role == "parameter":
            return _Coded(self.n, part.columns, dtype, device)
        return _Kept(self.n, part.columns, dtype, device, on_host=self.mode == "host")


def write_checkpoint(buckets: Sequence[Bucket], checkpoint: Checkpoint) -> None:
    with torch.no_grad():
        for bucket in buckets:
            for slot in bucket.slots:
                slot.tensor.copy_(checkpoint.tensors[slot.key])


def bytes_of(mode: str, buckets: Sequence[Bucket], n: int, world: int) -> int:
    """What a stack of n checkpoints takes on the device (with `host`: on the host), the mean included."""
    per_number = {"f32": 4.0, "sharded": 4.0, "bf16": 2.0, "int8": 1.001, "host": 4.0, "files": 0.0}[mode]
    total = 0.0
    for bucket in buckets:
        width = bucket.work_dtype == torch.float64 and mode not in LOSSY
        total += bucket.columns * (n * per_number * (2 if width else 1) + 4)
    return int(total / (world if mode == "sharded" else 1))


def choose_mode(
    buckets: Sequence[Bucket], n: int, device: torch.device, ranks: Ranks
) -> Tuple[str, str]:
    """The most exact mode that fits on the device, then the host, then the files; and why, for people."""
    if n == 1:
        return "files", "one checkpoint"
    device_free, host_free = free_memory(device), free_memory(torch.device("cpu"))
    # Ranks of one machine share its memory.
    local = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    host_free //= local
    if device.type == "cpu":
        device_free = host_free
    for mode in MODES:
        if (mode == "sharded" and ranks.world == 1) or (mode == "host" and device.type == "cpu"):
            continue
        needed = bytes_of(mode, buckets, n, ranks.world)
        free = host_free if mode == "host" else device_free
        if mode == "files" or needed <= _SHARE * free:
            where = "on the host" if mode == "host" or device.type == "cpu" else "on the device"
            return mode, f"{needed / 1e9:.2f} GB of {free / 1e9:.1f} GB free {where}"
    raise AssertionError("files always fit")


def free_memory(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        # Linux: what can be had without swapping. A container's limit counts, where there is one.
        with open("/proc/meminfo") as lines:
            free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
        for limit, used in (
            ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
            ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
        ):
            if os.path.exists(limit):
                with open(limit) as most, open(used) as now:
                    text = most.read().strip()
                    if text != "max":
                        free = min(free, max(0, int(text) - int(now.read())))
        return free
    except (OSError, StopIteration, ValueError):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (ValueError, OSError, AttributeError):
        # Windows and macOS tell it only through system calls: assume an ordinary machine.
        return 8 << 30


def _wide(tensor: torch.Tensor) -> torch.Tensor:
    return (tensor.cpu() if tensor.device.type == "mps" else tensor).double()
