"""Errors that cross to the other side: a code of `src/core/errors.ts`, one sentence, a place, further lines."""

from __future__ import annotations

import contextlib
import os
import sysconfig
import traceback
from typing import Any, Iterator, List, Optional

_OWN = os.path.dirname(os.path.abspath(__file__))
_LIBRARIES = tuple({os.path.abspath(sysconfig.get_paths()[key]) for key in ("stdlib", "purelib", "platlib")})


class EngineError(Exception):
    """One sentence for the user: which file, what is wrong, what to do."""

    def __init__(
        self,
        code: str,
        message: str,
        path: Optional[str] = None,
        line: Optional[int] = None,
        details: Optional[List[str]] = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.path = path
        self.line = line
        self.details = details or []

    def fields(self) -> dict[str, Any]:
        place = {}
        if self.path is not None:
            place["path"] = self.path
        if self.line is not None:
            place["line"] = self.line
        return {"code": self.code, "message": self.message, "place": place, "details": self.details}

    def __reduce__(self) -> Any:  # it travels between ranks
        return (EngineError, (self.code, self.message, self.path, self.line, self.details))


class Cancelled(EngineError):
    def __init__(self) -> None:
        super().__init__("cancelled", "Cancelled.")

    def __reduce__(self) -> Any:
        return (Cancelled, ())


class RankDied(EngineError):
    def __init__(self, cause: BaseException) -> None:
        super().__init__("compute-died", f"A process of the launcher ended before the pass was done: {cause}.")
        self.cause_text = str(cause)


@contextlib.contextmanager
def user_code(what: str, task: str) -> Iterator[None]:
    """Whatever goes wrong in the user's code becomes a `bad-task` with its file, line and traceback."""
    try:
        yield
    except EngineError:
        raise
    except KeyboardInterrupt:
        raise Cancelled() from None
    except BaseException as error:  # SystemExit of a script that was written to be run, too
        raise _failure(what, error, task) from error


def _failure(what: str, error: BaseException, task: str) -> EngineError:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_own(frame.filename)]
    path, line = task, None
    if isinstance(error, SyntaxError) and error.filename is not None:
        path, line = os.path.abspath(error.filename), error.lineno
    else:
        users = [frame for frame in frames if not _is_library(frame.filename)]
        in_task = [frame for frame in users if os.path.abspath(frame.filename) == task]
        place = users[-1] if users else (in_task[-1] if in_task else None)
        if place is not None:
            path, line = os.path.abspath(place.filename), place.lineno
    kind = type(error).__name__
    text = str(error).strip()
    first = text.split("\n", 1)[0]
    sentence = f"{path}{'' if line is None else f':{line}'}: {what} failed: {kind}{': ' + first if first else ''}"
    details = []
    for frame in frames:
        # In this order an editor and a terminal make a link of it.
        details.append(f"{os.path.abspath(frame.filename)}:{frame.lineno} in {frame.name}")
        if frame.line:
            details.append(f"    {frame.line}")
    details += [line for line in f"{kind}: {text}".split("\n") if line.strip()]
    if "out of memory" in text:
        details.append(
            "Memory: use a smaller --batch-size, \"microBatch\" in the task file, or --memory bf16, int8, host or files."
        )
    return EngineError("bad-task", sentence, path, line, details)


def _is_own(filename: str) -> bool:
    path = os.path.abspath(filename)
    return path.startswith(_OWN + os.sep) or os.path.basename(path) == "run_twa_task.py"


def _is_library(filename: str) -> bool:
    path = os.path.abspath(filename)
    # Debian keeps its packages in another folder than sysconfig says.
    installed = any(part in ("site-packages", "dist-packages") for part in path.split(os.sep))
    return installed or filename.startswith("<") or path.startswith(tuple(folder + os.sep for folder in _LIBRARIES))
