"""Answers the requests of `src/compute/pytorch/messages.ts`, one at a time, the same on every rank."""

from __future__ import annotations

import array
import contextlib
import platform
import random
import sys
import threading
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

import torch

from .channel import Arrays
from .checkpoints import Checkpoint, open_checkpoint
from .data import Examples, open_split, to_device
from .errors import Cancelled, EngineError, user_code
from .norms import Moments, measuring
from .ranks import Ranks, share
from .stack import LOSSY, MODES, Stack, choose_mode, write_checkpoint
from .task import Scores, Task
from .weights import Bucket, Weights

Answer = Tuple[Dict[str, Any], Arrays]
Progress = Callable[[float, str], None]
SPLITS = ("train", "validation", "test")
# Mixes whose running statistics are kept: training asks for those of the newest few more than once.
_KEPT = 8
_HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Engine:
    def __init__(self, ranks: Ranks, cancelled: threading.Event, progress: Progress) -> None:
        self._ranks = ranks
        self._cancelled = cancelled
        self._progress = progress
        self._splits: Dict[str, Optional[Examples]] = {}
        self._stack: Optional[Stack] = None
        self._newest: Optional[Checkpoint] = None
        self._recalibrated: Dict[bytes, Dict[str, torch.Tensor]] = {}
        self._scale = 2.0**16

    # What each request does; `arrays` are its numbers.

    def open(self, request: Dict[str, Any], _: Arrays) -> Answer:
        """The task's model, bound to checkpoints like this one, and its data."""
        self._batch_size: int = request["batchSize"]
        self._micro: int = request.get("microBatch") or sys.maxsize
        self._amp: Optional[torch.dtype] = _HALF.get(request.get("amp") or "")
        _seed(request["random"])

        def build() -> None:
            self._task = Task(request["module"], request["metric"])
            self._model = self._task.model(request["checkpoint"]["path"])
            self._device = _device(request.get("device"), self._model, self._ranks)
            self._checkpoint = open_checkpoint(request["checkpoint"], self._task)
            self._weights = Weights(self._model, self._checkpoint)
            for split in SPLITS:
                self._check_cancel()
                self._splits[split] = open_split(self._task, split)

        self._together(build)
        sizes = {split: examples.size for split, examples in self._splits.items() if examples is not None}
        return {
            "label": _label(self._device, self._ranks.world),
            "parameters": self._weights.parameters,
            "trained": [slot.key for slot in self._weights.slots if slot.role == "parameter"],
            "running": [slot.key for slot in self._weights.running],
            "own": self._weights.notes,
            "sizes": sizes,
        }, {}

    def load(self, request: Dict[str, Any], _: Arrays) -> Answer:
        """The stack of these checkpoints, oldest first, instead of the one before."""
        self._stack = None
        self._recalibrated.clear()
        sources = request["checkpoints"]
        checkpoints: List[Checkpoint] = []

        def read() -> None:
            for at, source in enumerate(sources):
                self._check_cancel()
                self._progress(0.2 * at / len(sources), f"checkpoint {at + 1} of {len(sources)}")
                checkpoints.append(open_checkpoint(source, self._task))
                self._weights.requires(checkpoints[-1])

        self._together(read)
        blocks: Optional[List[List[str]]] = request.get("blocks")
        buckets = self._weights.buckets(blocks, self._ranks.world)
        mode, why = request.get("memory") or "auto", "as asked for"
        if mode not in MODES:
            mode, why = choose_mode(buckets, len(checkpoints), self._device, self._ranks)
            mode, why = self._ranks.broadcast((mode, why))
        stack = Stack(buckets, checkpoints, mode, self._ranks, len(blocks or []))

        def report(fraction: float) -> None:
            self._check_cancel()
            self._progress(0.2 + 0.8 * fraction, "reading the weights")

        self._together(lambda: stack.build(report), collective=True)
        self._stack = stack
        self._newest = checkpoints[-1]
        return {"memory": mode, "why": why, "bytes": stack.bytes, "lossy": mode in LOSSY}, {
            "products": array.array("d", stack.products.reshape(-1).tolist())
        }

    def step(self, request: Dict[str, Any], arrays: Arrays) -> Answer:
        """Loss and gradient of one batch in training mode. `gradient`: how many numbers are wanted."""
        stack = self._require_stack()
        examples = self._split(request["split"])
        indices = list(arrays["examples"])
        own = share(indices, self._ranks.rank, self._ranks.world)
        stack.combine(arrays["coefficients"], False, ("parameter", "state"))
        self._model.train()
        loss = 0.0
        while True:
            for part in stack.parts:
                if part.bucket.role == "parameter":
                    part.bucket.start_gradient()
            _seed(request["random"] + self._ranks.rank)
            box = [0.0]

            def backward() -> None:
                for start in range(0, len(own), self._micro):
                    micro = own[start : start + self._micro]
                    batch = to_device(examples.batch(micro), self._device)
                    with self._autocast():
                        value = _wide(self._task.loss(self._model, batch)).mean()
                    if not value.requires_grad:
                        raise self._task.error(
                            "the loss does not depend on the model's parameters: is it detached, or under no_grad?"
                        )
                    weight = len(micro) / len(indices)
                    with user_code("the backward pass", self._task.path):
                        (value * (weight * self._gradient_scale)).backward()
                    box[0] += float(value.detach()) * weight

            self._together(backward)
            sums = torch.cat([torch.tensor([box[0]], dtype=torch.float64), stack.project(request["gradient"])])
            self._ranks.add(sums)
            loss = float(sums[0])
            if self._gradient_scale == 1 or bool(torch.isfinite(sums[1:]).all()) or self._scale <= 1:
                break
            # float16 overflowed: the loss is scaled less from here on.
            self._scale /= 4
        gradient = (sums[1:] / self._gradient_scale).tolist()
        return {}, {"loss": array.array("d", [loss]), "gradient": array.array("d", gradient)}

    def evaluate(self, request: Dict[str, Any], arrays: Arrays) -> Answer:
        """Loss and metrics in evaluation mode, in the order of the examples."""
        stack = self._require_stack()
        examples = self._split(request["split"])
        mode = request["buffers"]
        if request["point"] == "checkpoint":
            self._write_checkpoint(request["index"])
        else:
            coefficients = arrays["coefficients"]
            if mode == "recalibrate" and self._weights.running:
                statistics = self._recalibrate(coefficients, list(arrays["calibration"]), request["random"])
                self._mix(coefficients, not request.get("stack", False))
                for slot in self._weights.running:
                    slot.tensor.data.copy_(statistics[slot.key].reshape(slot.tensor.shape))
            else:
                self._mix(coefficients, not request.get("stack", False))
                if mode == "newest":
                    for slot in self._weights.running:
                        slot.tensor.data.copy_(stack.checkpoints[-1].tensors[slot.key])
                else:
                    # They are few, and a buffer of rounded rows is never what is written.
                    stack.combine(coefficients, True, ("running",))
        batches = _cut(list(arrays["examples"]), self._batch_size)
        own = share(batches, self._ranks.rank, self._ranks.world)
        _seed(request["random"])
        self._model.eval()
        results: List[Dict[str, List[float]]] = []

        def run() -> None:
            with torch.no_grad():
                for indices, batch in zip(own, examples.batches(own)):
                    self._check_cancel()
                    with self._autocast():
                        scores = self._task.scores(self._model, to_device(batch, self._device))
                    results.append(self._per_example(scores, len(indices)))

        self._together(run)
        every = [result for part in self._ranks.gather(results) for result in part]
        names = list(every[0]) if every else []
        return {"metrics": [name for name in names if name not in ("loss", "weights")]}, {
            name: array.array("d", [number for result in every for number in result[name]]) for name in names
        }

    def recalibrate(self, request: Dict[str, Any], arrays: Arrays) -> Answer:
        """Running statistics of a mix, by the names in the checkpoint."""
        statistics = self._recalibrate(arrays["coefficients"], list(arrays["calibration"]), request["random"])
        return {}, {key: array.array("d", values.reshape(-1).tolist()) for key, values in statistics.items()}

    def usage(self, _: Dict[str, Any], __: Arrays) -> Answer:
        """Peak memory so far, of the rank that used most."""
        peaks = self._ranks.gather((_peak_host(), _peak_device(self._device)))
        answer: Dict[str, Any] = {"host": max((host for host, _ in peaks), default=0)}
        if self._device.type == "cuda":
            answer["device"] = max((device for _, device in peaks), default=0)
        return answer, {}

    # The work.

    def _recalibrate(self, coefficients: Sequence[float], examples: List[int], seed: int) -> Dict[str, torch.Tensor]:
        key = bytes(array.array("d", coefficients))
        known = self._recalibrated.get(key)
        if known is not None:
            return known
        split = self._splits["train"]
        if split is None or not examples:
            raise self._task.error(
                "recomputing BatchNorm's running statistics needs data(\"train\"); give it, or average them"
            )
        self._mix(coefficients, True)
        batches = _evenly(examples, self._batch_size)
        own = share(batches, self._ranks.rank, self._ranks.world)
        _seed(seed)
        self._model.train()
        moments: Dict[str, Moments] = {}

        def run() -> None:
            # torch.compile's copy of the model would not see the hooks.
            with torch.no_grad(), measuring(self._weights.norms) as measured:
                for batch in split.batches(own):
                    self._check_cancel()
                    with self._autocast():
                        self._task.loss(self._weights.model, to_device(batch, self._device))
                moments.update(measured)

        self._together(run)
        parts = self._ranks.gather(moments)
        statistics: Dict[str, torch.Tensor] = {}
        if self._ranks.rank == 0:
            keys = {id(slot.tensor): slot.key for slot in self._weights.running}
            for name, layer in self._weights.norms:
                total = Moments()
                for part in parts:
                    total.merge(part[name])
                found = total.statistics
                for tensor, values in zip((layer.running_mean, layer.running_var), found or (None, None)):
                    key_of = keys.get(id(tensor))
                    if key_of is None or tensor is None:
                        continue
                    if values is None:
                        # Not used by the loss: no data can tell, so the newest's stay.
                        assert self._newest is not None
                        values = self._newest.tensors[key_of]
                    # In the precision of the model, so that the file and the mix in memory agree to the bit.
                    statistics[key_of] = values.to(tensor.dtype).double()
        statistics = self._ranks.broadcast(statistics)
        if len(self._recalibrated) == _KEPT:
            del self._recalibrated[next(iter(self._recalibrated))]
        self._recalibrated[key] = statistics
        return statistics

    def _mix(self, coefficients: Sequence[float], exact: bool) -> None:
        self._require_stack().combine(coefficients, exact, ("parameter", "state"))
        self._copy_integers(self._newest)

    def _write_checkpoint(self, index: int) -> None:
        stack = self._require_stack()
        write_checkpoint(self._buckets(stack), stack.checkpoints[index])
        self._copy_integers(stack.checkpoints[index])

    def _copy_integers(self, checkpoint: Optional[Checkpoint]) -> None:
        assert checkpoint is not None
        for slot in self._weights.copied:
            slot.tensor.data.copy_(checkpoint.tensors[slot.key])

    def _per_example(self, scores: Scores, size: int) -> Dict[str, List[float]]:
        per_batch = any(values.dim() == 0 for values in scores.values())
        result: Dict[str, List[float]] = {"weights": [float(size)] if per_batch else [1.0] * size}
        for name, values in scores.items():
            if values.dim() == 1 and len(values) != size:
                raise self._task.error(
                    f"{name} has {len(values)} numbers for {size} examples: give one per example, or their mean"
                )
            numbers = values.detach().to("cpu").double()
            result[name] = [float(numbers.mean())] if per_batch else numbers.tolist()
        return result

    @property
    def _gradient_scale(self) -> float:
        return self._scale if self._amp == torch.float16 else 1.0

    @contextlib.contextmanager
    def _autocast(self) -> Iterator[None]:
        if self._amp is None:
            yield
        else:
            with torch.autocast(self._device.type, dtype=self._amp):
                yield

    def _together(self, work: Callable[[], None], collective: bool = False) -> None:
        """
        Work that may fail on one rank and not on another: all learn of it, and none waits for ever. Inside `collective`
        work there are exchanges between ranks, so that a rank which fails there ends, and the launcher ends the others.
        """
        error: Optional[EngineError] = None
        try:
            work()
        except EngineError as known:
            if collective and self._ranks.world > 1 and self._ranks.rank > 0:
                raise
            error = known
        if self._ranks.world == 1:
            if error is not None:
                raise error
            return
        failed = torch.tensor([0.0 if error is None else 1.0])
        self._ranks.add(failed)
        if float(failed) == 0:
            return
        errors = [one for one in self._ranks.gather(error) if one is not None]
        raise next(iter(errors), EngineError("bad-task", "Another process failed."))

    def _check_cancel(self) -> None:
        if self._cancelled.is_set():
            raise Cancelled()

    def _require_stack(self) -> Stack:
        if self._stack is None:
            raise RuntimeError("no checkpoints are loaded")
        return self._stack

    def _buckets(self, stack: Stack) -> List[Bucket]:
        return [part.bucket for part in stack.parts]

    def _split(self, name: str) -> Examples:
        examples = self._splits.get(name)
        if examples is None:
            raise self._task.error(f'data("{name}") gave None, and there must be examples')
        return examples


def _device(wanted: Optional[str], model: torch.nn.Module, ranks: Ranks) -> torch.device:
    """Where the model runs: where the task put it, else where it was asked for, else the best there is."""
    placed = {parameter.device for parameter in model.parameters() if parameter.device.type not in ("cpu", "meta")}
    if placed:
        return next(iter(placed))
    if wanted is not None:
        try:
            device = torch.device(wanted)
            model.to(device)
        except (RuntimeError, AssertionError) as error:
            first = str(error).split("\n", 1)[0]
            raise EngineError("no-backend", f'The model cannot be put on the device "{wanted}": {first}.') from error
        return device
    if torch.cuda.is_available():
        device = torch.device("cuda", ranks.local % torch.cuda.device_count())
    elif getattr(torch.backends, "mps", None) is not None and torch.backends.mps.is_available():
        device = torch.device("mps")
    else:
        device = torch.device("cpu")
    model.to(device)
    return device


def _label(device: torch.device, world: int) -> str:
    if device.type == "cuda":
        where = torch.cuda.get_device_name(device)
    elif device.type == "cpu":
        threads = torch.get_num_threads()
        where = f"CPU, {threads} thread{'' if threads == 1 else 's'}"
    else:
        where = device.type.upper()
    together = "" if world == 1 else f", {world} processes"
    return f"PyTorch {torch.__version__} ({where}{together}), Python {platform.python_version()}"


def _wide(tensor: torch.Tensor) -> torch.Tensor:
    """Sums of half-precision numbers lose digits."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def _seed(number: int) -> None:
    torch.manual_seed(number)
    random.seed(number)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(number % 2**32)


def _cut(indices: List[int], size: int) -> List[List[int]]:
    return [indices[start : start + size] for start in range(0, len(indices), size)]


def _evenly(indices: List[int], size: int) -> List[List[int]]:
    """Of about this size and nearly alike: a last batch of two or three would be normalised by statistics of nothing."""
    count = max(1, round(len(indices) / size))
    return [share(indices, at, count) for at in range(count)]


def _peak_host() -> int:
    """Bytes of resident memory at most, 0 where it is not known. Pages of mapped checkpoint files count as well."""
    try:
        import resource
    except ImportError:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _peak_device(device: torch.device) -> int:
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0


