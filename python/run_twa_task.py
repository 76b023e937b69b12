"""Starts the engine: `python run_twa_task.py`, or under torchrun. A script, so that any launcher can start it."""

from twa_task.main import main

if __name__ == "__main__":
    main()
