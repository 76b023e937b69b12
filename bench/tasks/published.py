"""The problems of bench/published.py and bench/pytorch.ts, and at the same time a task of engine pytorch.

`TWA_BENCH_MODEL` names the model. The data are made up, seeded and learnable: classes (or next characters) with noise.
"""

import os

import torch
import torch.nn.functional as F
from torch import nn

MODEL = os.environ["TWA_BENCH_MODEL"]
SIZES = {"train": 512, "validation": 1024, "test": 128}


class Block(nn.Module):
    """A basic block of He et al. (arXiv 1512.03385) with a parameter-free shortcut (option A), or 1x1 convolutions."""

    def __init__(self, inputs: int, outputs: int, stride: int, convolve: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.stride = stride
        self.grow = outputs - inputs
        self.shortcut = None
        if convolve and (stride != 1 or self.grow):
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.shortcut is not None:
            x = self.shortcut(x)
        elif self.grow:
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.grow // 2, self.grow - self.grow // 2))
        return F.relu(x + y)


class ResNet(nn.Module):
    """For 32x32 images: `depths` blocks per stage, the width doubled from stage to stage."""

    def __init__(self, depths, width: int, convolve: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3, 1, 1, bias=False)
        self.bn = nn.BatchNorm2d(width)
        blocks, inputs = [], width
        for stage, depth in enumerate(depths):
            for index in range(depth):
                outputs = width * 2**stage
                blocks.append(Block(inputs, outputs, 2 if stage > 0 and index == 0 else 1, convolve))
                inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.fc = nn.Linear(inputs, 10)

    def forward(self, x):
        return self.fc(self.blocks(F.relu(self.bn(self.conv(x)))).mean((2, 3)))


class Transformer(nn.Module):
    """A character model: width 128, 4 layers, 4 heads, 64 characters of context."""

    def __init__(self, characters: int = 64, width: int = 128, layers: int = 4, context: int = 64) -> None:
        super().__init__()
        self.embed = nn.Embedding(characters, width)
        self.position = nn.Parameter(torch.zeros(context, width))
        layer = nn.TransformerEncoderLayer(width, 4, 4 * width, dropout=0.0, batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.head = nn.Linear(width, characters)
        self.register_buffer("mask", torch.full((context, context), float("-inf")).triu(1), persistent=False)

    def forward(self, x):
        return self.head(self.layers(self.embed(x) + self.position, mask=self.mask))


def model():
    torch.manual_seed(1)
    if MODEL == "resnet20":
        return ResNet([3, 3, 3], 16, convolve=False)
    if MODEL == "resnet18":
        return ResNet([2, 2, 2, 2], 64, convolve=True)
    if MODEL == "transformer":
        return Transformer()
    raise ValueError(f"TWA_BENCH_MODEL is {MODEL}")


def data(split):
    generator = torch.Generator().manual_seed(7)
    if MODEL == "transformer":
        # A Markov chain: every character has four likely successors.
        follow = torch.randint(0, 64, (64, 4), generator=generator)
        generator.manual_seed(11 + len(split))
        text = torch.randint(0, 64, (SIZES[split], 65), generator=generator)
        for at in range(1, 65):
            likely = follow[text[:, at - 1], torch.randint(0, 4, (len(text),), generator=generator)]
            noise = torch.rand(len(text), generator=generator) < 0.1
            text[:, at] = torch.where(noise, text[:, at], likely)
        return text[:, :-1].contiguous(), text[:, 1:].contiguous()
    patterns = F.interpolate(torch.randn(10, 3, 4, 4, generator=generator), size=32, mode="bilinear")
    generator.manual_seed(11 + len(split))
    labels = torch.randint(0, 10, (SIZES[split],), generator=generator)
    images = patterns[labels] + 2 * torch.randn(SIZES[split], 3, 32, 32, generator=generator)
    return images, labels


def loss(model, batch):
    inputs, targets = batch
    outputs = model(inputs)
    if MODEL != "transformer":
        return F.cross_entropy(outputs, targets, reduction="none")
    return F.cross_entropy(outputs.transpose(1, 2), targets, reduction="none").mean(1)


def metrics(model, batch):
    inputs, targets = batch
    right = (model(inputs).argmax(-1) == targets).float()
    return {"accuracy": right if right.dim() == 1 else right.mean(1)}
