"""The command, in a process of its own."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from rag.cli import main
from tests.conftest import ROOT
from tests.servers import ChatServer, event, sends
from tests.ui.conftest import QUESTION, make_bot

TOML = """
[embedding]
name = "hashing"
[store]
name = "memory"
[answer]
refuse_below = 0.0
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    make_bot(home).close()
    (home / "footnoted.toml").write_text(TOML)
    return home


@contextmanager
def running(home: Path, *flags: str) -> Iterator[tuple[Any, str]]:
    words = [sys.executable, "-m", "rag.cli", "serve", "--home", str(home), "--port", "0"]
    command = [*words, "--no-page", *flags]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process, _address(process)
        finally:
            process.kill()


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    said = ""
    for line in process.stderr:
        said += line
        if found := re.search(r"ready after .*: 3 papers at (http://\S+)", line):
            return found[1]
    raise AssertionError(said)


def test_a_stop_lets_an_answer_be_finished_and_loses_nothing(home: Path) -> None:
    pieces = [event(f"{word} ") for word in "SPANN needs 32 GB of memory [1].".split()]
    tail = event(None, "stop") + b"data: [DONE]\n\n"
    with ChatServer(sends(*pieces, tail, gap=0.15)) as llm:
        flags = ("--backend", "openai", "--base-url", llm.url, "--model", "m")
        with running(home, *flags) as (process, url):
            talk = httpx.post(f"{url}/api/conversations").json()["id"]
            replies: list[httpx.Response] = []
            body = {"question": QUESTION, "conversation": talk}
            asking = threading.Thread(
                target=lambda: replies.append(httpx.post(f"{url}/api/ask", json=body, timeout=20))
            )
            asking.start()
            while not llm.requests:
                pass
            process.send_signal(signal.SIGTERM)
            asking.join(20)
            assert process.wait(20) == 0
            lines = [json.loads(x) for x in process.stderr if x.startswith("{")]
    assert replies[0].json()["text"] == "SPANN needs 32 GB of memory. [1]"
    assert any(line["message"] == "stopping" for line in lines)
    from rag.conversations import Conversations

    assert len(Conversations(home).turns(talk)) == 1


def test_a_public_bind_without_anybody_known_is_refused(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--home", str(home), "--host", "0.0.0.0", "--port", "0"]) == 1
    assert "--add-user NAME" in capsys.readouterr().err


def test_a_token_is_printed_once_and_opens_the_door(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--home", str(home), "--add-token", "script"]) == 0
    token = capsys.readouterr().out.strip()
    assert token not in (home / "access").read_text()
    with running(home) as (_, url):
        assert httpx.get(f"{url}/api/papers").status_code == 401
        allowed = {"Authorization": f"Bearer {token}"}
        assert httpx.get(f"{url}/api/papers", headers=allowed).status_code == 200


def test_a_port_that_is_taken_names_the_fix(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert main(["serve", "--home", str(home), "--no-page", "--port", port]) == 1
    assert "Choose another with --port" in capsys.readouterr().err
