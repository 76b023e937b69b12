"""Starts the engine: `python run_twa_task.py`, or under torchrun. A script, so that any launcher can start it."""

import os
import sys

# Python puts a script's folder there itself, unless it was told not to (PYTHONSAFEPATH, -I).
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from twa_task.main import main  # noqa: E402

if __name__ == "__main__":
    main()
