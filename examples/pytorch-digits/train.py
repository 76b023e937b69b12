"""Trains the digits example in PyTorch: SGD with momentum and a step decay, a checkpoint after every epoch.

    python3 train.py [--out runs] [--name seed-1] [--epochs 40] [--seed 1]

Writes `<out>/<name>/epoch-001.pt`, ... and the metrics as TensorBoard events, or as `metrics.csv` where the package
tensorboard is not installed.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

import torch
import torch.nn.functional as F

from digits import Net, load_split


class CsvLog:
    """A row per epoch."""

    def __init__(self, directory: Path) -> None:
        self._file = (directory / "metrics.csv").open("w", newline="")
        self._writer = csv.writer(self._file)
        self._header = False

    def write(self, epoch: int, step: int, scalars: dict[str, float]) -> None:
        if not self._header:
            self._writer.writerow(["epoch", "step", *scalars])
            self._header = True
        self._writer.writerow([epoch, step, *(f"{value:.6f}" for value in scalars.values())])
        self._file.flush()


class TensorBoardLog:
    def __init__(self, directory: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(directory))

    def write(self, epoch: int, step: int, scalars: dict[str, float]) -> None:
        for tag, value in {**scalars, "epoch": epoch}.items():
            self._writer.add_scalar(tag, value, step)
        self._writer.flush()


def open_log(directory: Path):
    try:
        return TensorBoardLog(directory)
    except ImportError:
        print("tensorboard is not installed: the metrics go to metrics.csv.")
        return CsvLog(directory)


def shifted(images: torch.Tensor) -> torch.Tensor:
    """Every image moved by up to one pixel each way."""
    padded = F.pad(images, (1, 1, 1, 1))
    moves = torch.randint(0, 3, (len(images), 2)).tolist()
    return torch.stack([image[:, y : y + 8, x : x + 8] for image, (y, x) in zip(padded, moves)])


@torch.no_grad()
def evaluate(model: Net, images: torch.Tensor, digits: torch.Tensor) -> tuple[float, float]:
    model.eval()
    logits = model(images)
    return F.cross_entropy(logits, digits).item(), (logits.argmax(-1) == digits).float().mean().item()


def main() -> None:
    parser = argparse.ArgumentParser(description="Trains the digits example in PyTorch.")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent / "runs")
    parser.add_argument("--name", help="of the run (default: seed-SEED)")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--learning-rate", type=float, default=0.1)
    parser.add_argument("--batch-size", type=int, default=32)
    options = parser.parse_args()

    run = options.out / (options.name or f"seed-{options.seed}")
    if run.exists():
        sys.exit(f"{run} is there already: choose another --name, or move it away.")
    run.mkdir(parents=True)
    torch.manual_seed(options.seed)
    images, digits = load_split("train")
    validation = load_split("validation")
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=options.learning_rate, momentum=0.9, weight_decay=5e-4)
    halfway, later = options.epochs // 2, options.epochs * 3 // 4
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [halfway, later], gamma=0.1)
    log = open_log(run)

    step = 0
    for epoch in range(1, options.epochs + 1):
        model.train()
        losses, correct = 0.0, 0.0
        for chosen in torch.randperm(len(images)).split(options.batch_size):
            logits = model(shifted(images[chosen]))
            loss = F.cross_entropy(logits, digits[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
            losses += loss.item() * len(chosen)
            correct += (logits.argmax(-1) == digits[chosen]).sum().item()
        rate = schedule.get_last_lr()[0]
        schedule.step()
        val_loss, val_accuracy = evaluate(model, *validation)
        scalars = {
            "train/loss": losses / len(images),
            "train/accuracy": correct / len(images),
            "val/loss": val_loss,
            "val/accuracy": val_accuracy,
            "learning_rate": rate,
        }
        log.write(epoch, step, scalars)
        checkpoint = {"model": model.state_dict(), "epoch": epoch, "global_step": step}
        torch.save(checkpoint, run / f"epoch-{epoch:03d}.pt")
        print(
            f"epoch {epoch}/{options.epochs}  train loss {scalars['train/loss']:.4f}  val loss {val_loss:.4f}  "
            f"val accuracy {100 * val_accuracy:.2f} %",
            flush=True,
        )


if __name__ == "__main__":
    main()
