"""BatchNorm's running statistics of a mix, measured: one pass over training data in training mode, without gradients.

As `src/compute/objective/recalibrate.ts`: the running mean becomes the mean over all examples, and the running variance the
variance over all of them by the law of total variance (Chan, Golub and LeVeque's update, in float64), which
`torch.optim.swa_utils.update_bn` leaves the second term of out. A layer used several times in a pass counts every use.
"""

from __future__ import annotations

import contextlib
from typing import Dict, Iterator, List, Optional, Tuple

import torch
from torch.nn.modules.batchnorm import _BatchNorm

Numbers = List[float]


class Moments:
    """Mean and sum of squared differences from it, per channel, over all that was added."""

    def __init__(self) -> None:
        self.count = 0.0
        self.mean: Optional[torch.Tensor] = None
        self.squares: Optional[torch.Tensor] = None

    def add(self, count: float, mean: torch.Tensor, squares: torch.Tensor) -> None:
        if count == 0:
            return
        if self.mean is None or self.squares is None:
            self.count, self.mean, self.squares = count, mean, squares
            return
        total = self.count + count
        shift = mean - self.mean
        self.mean = self.mean + shift * (count / total)
        self.squares = self.squares + squares + shift * shift * (self.count * count / total)
        self.count = total

    def merge(self, other: "Moments") -> None:
        if other.mean is not None and other.squares is not None:
            self.add(other.count, other.mean, other.squares)

    @property
    def statistics(self) -> Optional[Tuple[torch.Tensor, torch.Tensor]]:
        """Mean and unbiased variance, which is what PyTorch's layers keep; None for a layer that was not used."""
        if self.mean is None or self.squares is None:
            return None
        return self.mean, self.squares / max(1.0, self.count - 1)


@contextlib.contextmanager
def measuring(norms: List[Tuple[str, _BatchNorm]]) -> Iterator[Dict[str, Moments]]:
    """Inside, every forward pass in training mode is added to the moments of the layers. Their buffers are left in disorder."""
    moments = {name: Moments() for name, _ in norms}
    momenta = [layer.momentum for _, layer in norms]
    hooks = []

    def hook(name: str, layer: _BatchNorm, x: torch.Tensor) -> None:
        if layer.running_mean is None or layer.running_var is None or not layer.training:
            return
        count = x.numel() / x.shape[1] if x.numel() > 0 else 0.0
        # Without memory, and from zero, the "moving average" after a batch is that batch's statistic; its variance is
        # the unbiased one.
        mean = layer.running_mean.detach().to("cpu").double()
        squares = layer.running_var.detach().to("cpu").double() * max(0.0, count - 1)
        moments[name].add(count, mean, squares)
        layer.running_mean.zero_()
        layer.running_var.zero_()

    try:
        for name, layer in norms:
            layer.momentum = 1.0
            if layer.running_mean is not None and layer.running_var is not None:
                layer.running_mean.zero_()
                layer.running_var.zero_()
            hooks.append(
                layer.register_forward_hook(lambda module, inputs, _, name=name: hook(name, module, inputs[0]))
            )
        yield moments
    finally:
        for handle in hooks:
            handle.remove()
        for (_, layer), momentum in zip(norms, momenta):
            layer.momentum = momentum
