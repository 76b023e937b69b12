"""One process, or several under torchrun (`torch.distributed`): rank 0 talks to the TypeScript side, the others follow.

Commands, n numbers and results travel over gloo, which needs no GPU; vectors of all parameters, which only a sharded stack
exchanges, over NCCL where there is one.
"""

from __future__ import annotations

import datetime
import os
from typing import Any, Callable, List, TypeVar

import torch

from .errors import RankDied

T = TypeVar("T")


class Ranks:
    def __init__(self) -> None:
        self.world = int(os.environ.get("WORLD_SIZE", "1"))
        self.rank = int(os.environ.get("RANK", "0"))
        self.local = int(os.environ.get("LOCAL_RANK", "0"))
        self._vectors: Any = None
        if self.world > 1:
            import torch.distributed as distributed

            self._d = distributed
            # Between two commands the others wait for as long as the user's machine is busy elsewhere.
            distributed.init_process_group("gloo", timeout=datetime.timedelta(days=7))
            if torch.cuda.is_available() and distributed.is_nccl_available():
                torch.cuda.set_device(self.local % torch.cuda.device_count())
                self._vectors = distributed.new_group(backend="nccl")

    def broadcast(self, value: Any) -> Any:
        """Rank 0's value, on every rank."""
        if self.world == 1:
            return value
        box = [value]
        self._guard(lambda: self._d.broadcast_object_list(box, src=0))
        return box[0]

    def gather(self, value: T) -> List[T]:
        """Every rank's value, on rank 0; elsewhere nothing."""
        if self.world == 1:
            return [value]
        values: List[Any] = [None] * self.world
        self._guard(lambda: self._d.gather_object(value, values if self.rank == 0 else None, dst=0))
        return values if self.rank == 0 else []

    def add(self, tensor: torch.Tensor) -> None:
        """The sum over ranks, in place, of a tensor on the host."""
        if self.world > 1:
            self._guard(lambda: self._d.all_reduce(tensor))

    def all_gather(self, whole: torch.Tensor, own: torch.Tensor) -> None:
        """Fills `whole` with every rank's equal part of it; `own` is this rank's, inside of it."""
        parts = list(whole.chunk(self.world))
        group = self._group(whole)
        if group is None and whole.device.type != "cpu":
            on_host = [part.cpu() for part in parts]
            self._guard(lambda: self._d.all_gather(on_host, own.cpu()))
            for part, given in zip(parts, on_host):
                part.copy_(given)
            return
        mine = own.clone()
        self._guard(lambda: self._d.all_gather(parts, mine, group=group))

    def reduce_scatter(self, whole: torch.Tensor) -> torch.Tensor:
        """This rank's part of the sum over ranks."""
        columns = whole.numel() // self.world
        group = self._group(whole)
        if group is None:
            # gloo has no reduce-scatter.
            total = whole.cpu().clone()
            self._guard(lambda: self._d.all_reduce(total))
            return total[self.rank * columns : (self.rank + 1) * columns].to(whole.device)
        mine = torch.empty(columns, dtype=whole.dtype, device=whole.device)
        self._guard(lambda: self._d.reduce_scatter(mine, list(whole.chunk(self.world)), group=group))
        return mine

    def close(self) -> None:
        if self.world > 1:
            self._d.destroy_process_group()

    def _group(self, tensor: torch.Tensor) -> Any:
        return self._vectors if tensor.device.type == "cuda" else None

    def _guard(self, work: Callable[[], Any]) -> None:
        try:
            work()
        except RuntimeError as error:
            raise RankDied(error) from error


def share(items: List[T], rank: int, world: int) -> List[T]:
    """A contiguous part for each rank, as even as can be."""
    start, end = rank * len(items) // world, (rank + 1) * len(items) // world
    return items[start:end]
