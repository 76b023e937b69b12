"""What people average checkpoints with today, for bench/merge.ts to be compared with.

    python3 bench/peers.py timm|mean|save OUTPUT SOURCE...

`timm` follows the averaging of timm's avg_checkpoints.py (Apache-2.0): one file after another is loaded, added up in
float64, divided, saved, and the result hashed; here it goes back to the type that it came in. `mean` is the script that everybody
writes: load all, stack, mean, save. `save` is no peer: it only writes its one
source again, for a benchmark of another format. Prints seconds from the first load to the end of the save (imports are not
counted), seconds of processor time, and peak RSS in MB, as JSON.
"""

import hashlib
import json
import os
import resource
import sys
import time

import torch
from safetensors.torch import load_file, save_file


def load(path):
    return load_file(path) if path.endswith(".safetensors") else torch.load(path, map_location="cpu", weights_only=True)


def save(tensors, path):
    save_file(tensors, path) if path.endswith(".safetensors") else torch.save(tensors, path)


def timm(paths):
    total, types = {}, {}
    for path in paths:
        for name, tensor in load(path).items():
            types[name] = tensor.dtype
            if name in total:
                total[name] += tensor.to(dtype=torch.float64)
            else:
                total[name] = tensor.clone().to(dtype=torch.float64)
    return {name: tensor.div_(len(paths)).to(types[name]) for name, tensor in total.items()}


def mean(paths):
    loaded = [load(path) for path in paths]
    return {name: torch.stack([tensors[name] for tensors in loaded]).mean(0) for name in loaded[0]}


def main():
    kind, output, *paths = sys.argv[1:]
    start, cpu = time.perf_counter(), time.process_time()
    save({"timm": timm, "mean": mean, "save": lambda paths: load(paths[0])}[kind](paths), output)
    if kind == "save":
        # So that writing it back does not disturb what is measured.
        with open(output, "rb+") as file:
            os.fsync(file.fileno())
    if kind == "timm":
        with open(output, "rb") as file:
            hashlib.sha256(file.read()).hexdigest()
    print(
        json.dumps(
            {
                "wall": time.perf_counter() - start,
                "cpu": time.process_time() - cpu,
                "rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
        )
    )


main()
