"""The model and the data of the example, for training and for the task file alike."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import torch
from torch import nn

# Batches this small are fastest on one thread; on a busy machine threads that wait for each other are many times slower.
torch.set_num_threads(1)

DATA = Path(__file__).resolve().parent.parent / "digits" / "data"


class Net(nn.Module):
    """A small convolutional network with BatchNorm and dropout for 8x8 images: about 10,000 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.conv2 = nn.Conv2d(16, 32, 3, stride=2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(32)
        self.dropout = nn.Dropout(0.25)
        self.logits = nn.Linear(32 * 4 * 4, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.bn1(self.conv1(images)))
        x = torch.relu(self.bn2(self.conv2(x)))
        return self.logits(self.dropout(x.flatten(1)))


def load_split(split: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Images [n, 1, 8, 8] between 0 and 1, and their digits [n]."""
    rows = json.loads((DATA / "splits.json").read_text())[split]
    with (DATA / "digits.csv").open(newline="") as file:
        table = torch.tensor([[float(cell) for cell in row] for row in csv.reader(file)])
    chosen = table[rows]
    return (chosen[:, :64] / 16).reshape(-1, 1, 8, 8), chosen[:, 64].long()
