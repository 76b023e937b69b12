"""The program: says hello over the channel, answers requests until the other side closes it."""

from __future__ import annotations

import os
import platform
import sys
import threading
import traceback
from typing import Any, Dict, Optional

from .channel import Channel
from .errors import EngineError, RankDied


def main() -> None:
    # Ranks other than 0 have nobody to talk to but rank 0.
    leads = os.environ.get("RANK", "0") == "0"
    channel = Channel.connect(os.environ["TWA_ENGINE_ADDRESS"]) if leads else None
    problem = _problem()
    if channel is not None:
        channel.send(
            {
                "kind": "hello",
                "token": os.environ["TWA_ENGINE_TOKEN"],
                "python": platform.python_version(),
                "executable": sys.executable,
                "pid": os.getpid(),
                **({} if problem is None else {"problem": problem}),
            }
        )
    if problem is not None:
        sys.exit(3)
    _serve(channel)


def _problem() -> Optional[Dict[str, str]]:
    """Why nothing can be computed here."""
    if sys.version_info < (3, 9):
        return {"what": "python", "detail": platform.python_version()}
    try:
        import torch
    except ModuleNotFoundError as error:
        if error.name == "torch":
            return {"what": "torch-missing", "detail": str(error)}
        return {"what": "torch-broken", "detail": f"{type(error).__name__}: {error}"}
    except Exception as error:  # a library that does not load
        return {"what": "torch-broken", "detail": f"{type(error).__name__}: {error}"}
    version = tuple(int("".join(c for c in part if c.isdigit()) or 0) for part in torch.__version__.split(".")[:2])
    return None if version >= (1, 13) else {"what": "torch-old", "detail": torch.__version__}


def _serve(channel: Optional[Channel]) -> None:
    from .engine import Engine
    from .ranks import Ranks

    cancelled = channel.cancelled if channel is not None else threading.Event()

    def progress(fraction: float, message: str) -> None:
        if channel is not None:
            channel.send({"kind": "progress", "fraction": fraction, "message": message})

    try:
        ranks = Ranks()
        engine = Engine(ranks, cancelled, progress)
        while True:
            request, arrays = ranks.broadcast(channel.receive() if channel is not None else None)
            if request["kind"] == "close":
                break
            failure: Optional[EngineError] = None
            try:
                answer, numbers = getattr(engine, request["kind"])(request, arrays)
            except RankDied:
                raise
            except EngineError as error:
                failure = error
            if channel is not None:
                if failure is None:
                    channel.send({"kind": "result", **answer}, numbers)
                else:
                    cancelled.clear()
                    channel.send({"kind": "error", **failure.fields()})
        ranks.close()
    except BaseException as error:
        if channel is not None:
            channel.send({"kind": "error", **_defect(error)})
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)


def _defect(error: BaseException) -> Dict[str, Any]:
    if isinstance(error, EngineError):
        return error.fields()
    lines = traceback.format_exception(type(error), error, error.__traceback__)
    return {
        "code": "internal",
        "message": f"{type(error).__name__}: {error}",
        "place": {},
        "details": "".join(lines).rstrip().split("\n"),
    }
