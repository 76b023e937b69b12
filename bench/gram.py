"""What people do for the same matrix today, for bench/gram.ts to be compared with: all checkpoints in memory as rows of
float64, the mean taken away, one matrix product (BLAS).

    python3 bench/gram.py SOURCE...

Prints seconds from the first load to the matrix (imports are not counted), seconds of processor time, peak RSS in MB, and
the first entry, as JSON.
"""

import json
import resource
import sys
import time

import numpy as np
from safetensors.numpy import load_file


def main():
    start, cpu = time.perf_counter(), time.process_time()
    rows = []
    for path in sys.argv[1:]:
        tensors = load_file(path)
        rows.append(np.concatenate([tensors[name].ravel() for name in sorted(tensors)]).astype(np.float64))
    matrix = np.stack(rows)
    del rows
    matrix -= matrix.mean(0)
    gram = matrix @ matrix.T
    print(
        json.dumps(
            {
                "wall": time.perf_counter() - start,
                "cpu": time.process_time() - cpu,
                "rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "corner": float(gram[0, 0]),
            }
        )
    )


main()
