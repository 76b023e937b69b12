"""TWA as published at ICLR 2023, for bench/pytorch.ts to compare with: one process, told what to do line by line.

This is our own transcription of the published algorithm (arXiv 2205.13104v1; nblt/TWA, branch main), made for this
benchmark: every checkpoint is loaded and flattened, the n x D matrix is orthonormalised row by row by Gram-Schmidt in
float32, and a step flattens the gradient g, computes P^T (P g), scatters it back over the parameters' gradients and lets
SGD with momentum and weight decay step on w.

Reads one JSON request per line and answers each with one line of JSON.
"""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent / "tasks"))
import published as problem  # noqa: E402  (bench/tasks/published.py)


class Published:
    def __init__(self) -> None:
        self.model = problem.model()
        self.inputs, self.targets = problem.data("validation")
        self.P = None
        # The first optimiser of a process makes torch import half a second to some seconds of modules: no part of setting up.
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=1e-6)

    def batch(self, indices):
        return self.inputs[indices], self.targets[indices]

    # The published rule.

    def vector(self) -> np.ndarray:
        return np.concatenate([p.detach().numpy().ravel() for p in self.model.parameters()])

    def write(self, vector: torch.Tensor) -> None:
        at = 0
        for p in self.model.parameters():
            p.data.copy_(vector[at : at + p.numel()].view_as(p))
            at += p.numel()

    def setup(self, checkpoints, rate):
        vectors = []
        for path in checkpoints:
            self.model.load_state_dict(torch.load(path))
            vectors.append(self.vector())
        matrix = np.array(vectors)
        self.start = torch.from_numpy(matrix.mean(axis=0))
        P = torch.from_numpy(matrix)
        for i in range(len(P)):
            if i > 0:
                P[i] -= P[:i].T @ (P[:i] @ P[i])
            P[i] /= torch.norm(P[i])
        self.P = P
        self.rewind({"rate": rate})
        return {"parameters": P.shape[1]}

    def mend(self, request):
        """Not published: a basis of the same span that is orthonormal, made in float64 and rounded once."""
        states = [torch.load(path) for path in request["checkpoints"]]
        names = [name for name, _ in self.model.named_parameters()]
        rows = torch.stack([torch.cat([state[name].double().reshape(-1) for name in names]) for state in states])
        # Centred first: what the checkpoints have in common would use up the digits of what they differ in.
        mean = rows.mean(dim=0)
        basis = torch.cat([rows[1:] - mean, mean.unsqueeze(0)])
        self.P = torch.linalg.qr(basis.T)[0].T.float().contiguous()
        return {}

    def rewind(self, request):
        """At the mean, with a fresh optimiser."""
        self.write(self.start)
        self.model.train()
        self.optimizer = torch.optim.SGD(
            self.model.parameters(), lr=request["rate"], momentum=0.9, weight_decay=1e-5
        )
        return {}

    def step(self, request):
        for group in self.optimizer.param_groups:
            group["lr"] = request["rate"]
        losses = []
        for indices in request["batches"]:
            value = self._backward(indices)
            g = torch.cat([p.grad.reshape(-1) for p in self.model.parameters()])
            projected = self.P.T @ (self.P @ g)
            at = 0
            for p in self.model.parameters():
                p.grad.copy_(projected[at : at + p.numel()].view_as(p))
                at += p.numel()
            self.optimizer.step()
            losses.append(value)
        return {"losses": losses}

    # What it is compared with.

    def plain(self, request):
        """Steps of plain training: the same without projection, in a copy that nobody looks at."""
        kept = [p.detach().clone() for p in self.model.parameters()]
        optimizer = torch.optim.SGD(self.model.parameters(), lr=1e-6, momentum=0.9, weight_decay=1e-5)
        for indices in request["batches"]:
            self._backward(indices, optimizer)
            optimizer.step()
        with torch.no_grad():
            for p, before in zip(self.model.parameters(), kept):
                p.copy_(before)
        return {}

    def loss(self, request):
        """Mean loss of the weights as they are, in training mode as in the steps."""
        with torch.no_grad():
            losses = [problem.loss(self.model, self.batch(indices)).mean().item() for indices in request["batches"]]
        return {"loss": sum(losses) / len(losses)}

    def orthogonality(self, _):
        """How far P P^T is from 1, in float64."""
        n = len(self.P)
        gram = torch.zeros(n, n, dtype=torch.float64)
        for columns in self.P.split(1 << 16, dim=1):
            wide = columns.double()
            gram += wide @ wide.T
        return {"error": (gram - torch.eye(n, dtype=torch.float64)).abs().max().item()}

    # The run that both start from.

    def make(self, request):
        """Trains a little and saves n states after the first `warmup` steps, one in `every` steps, oldest first."""
        torch.manual_seed(3)
        inputs, targets = problem.data("train")
        optimizer = torch.optim.SGD(self.model.parameters(), lr=request["rate"], momentum=0.9)
        self.model.train()
        warmup, every = request["warmup"], request["every"]
        for step in range(1, warmup + every * request["n"] + 1):
            chosen = torch.randint(0, len(inputs), (request["batch"],))
            value = problem.loss(self.model, (inputs[chosen], targets[chosen])).mean()
            optimizer.zero_grad()
            value.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            optimizer.step()
            if step > warmup and (step - warmup) % every == 0:
                torch.save(self.model.state_dict(), os.path.join(request["directory"], f"step-{step:04d}.pt"))
        return {"loss": value.item()}

    def _backward(self, indices, optimizer=None) -> float:
        (optimizer or self.optimizer).zero_grad()
        value = problem.loss(self.model, self.batch(indices)).mean()
        value.backward()
        return value.item()

    def answer(self, request):
        kind = request["kind"]
        if kind == "setup":
            return self.setup(request["checkpoints"], request["rate"])
        return getattr(self, kind)(request)


def main() -> None:
    published = Published()
    print(json.dumps({"torch": torch.__version__, "threads": torch.get_num_threads()}), flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        answer = published.answer(json.loads(line))
        print(json.dumps({**answer, "seconds": time.perf_counter() - start}), flush=True)


if __name__ == "__main__":
    main()
