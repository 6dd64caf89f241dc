"""Where the command line writes: results to standard output, all else to standard error."""

from __future__ import annotations

import json
import os
import shutil
import sys
import warnings
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rag.types import Answer

_SHOWN_REJECTS = 3


def put(text: str) -> None:
    """Write a result, at once: whoever reads a pipe should not wait for the next one."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def put_answer(answer: Answer, *, flag: bool) -> None:
    """Write an answer and who wrote it; that a backend failed is no result, but an error."""
    from rag._cli_format import answer_origin, answer_text, one_line

    if answer.refusal and answer.refusal.kind == "backend_failed":
        say(one_line(answer.refusal.message))
        return
    put(answer_text(answer, width(), flag=flag))
    say(answer_origin(answer), "")


def put_json(value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False, default=str)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(value, default=str)
    put(text)


def explain_rejects(count: int, path: Path) -> None:
    from rag._cli_format import rejects_text

    first: list[dict[str, Any]] = []
    with suppress(OSError, ValueError), path.open(encoding="utf-8") as file:
        first = [json.loads(line) for line in islice(file, _SHOWN_REJECTS)]
    say(rejects_text(count, str(path), first))


def width() -> int:
    return shutil.get_terminal_size().columns


def say(message: str, name: str = "footnoted: ") -> None:
    with suppress(OSError):
        sys.stderr.write(f"{name}{message}\n")
        sys.stderr.flush()


def settle_process() -> None:
    """Make this process's streams take any character, and keep third parties' warnings off."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    if not sys.warnoptions and not os.environ.get("FOOTNOTED_DEBUG"):
        warnings.simplefilter("ignore")


def forget_output() -> None:
    """Point standard output at nothing, or Python complains once more as it ends."""
    with suppress(OSError, ValueError):
        stdout = sys.stdout.fileno()
        os.dup2(os.open(os.devnull, os.O_WRONLY), stdout)
