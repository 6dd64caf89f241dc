"""How long `footnoted serve` takes to be ready, and a browser to show the page.

    python benchmarks/first_page.py --home ./papers [--times 5]

Starts the server, waits for its `ready`, then opens the page in Chromium with an empty cache and
again with a full one: seconds until a question can be typed, and until the page says how many
papers there are. Prints one JSON object. The figures hold for the machine and what else ran.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic"]


def started(home: str) -> tuple[subprocess.Popen[bytes], str, float]:
    """The server, its address, and the seconds until it said that it is ready."""
    begun = time.perf_counter()
    words = [sys.executable, "-m", "rag.cli", "serve", "--home", home, "--port", "0"]
    # To a file: a pipe that nobody reads fills up with log lines, and the server waits.
    log = Path(tempfile.mkstemp(suffix=".log")[1])
    with log.open("w") as file:
        process = subprocess.Popen(words, stderr=file)
    while process.poll() is None:
        if found := re.search(r"ready after .* at (http://\S+)", log.read_text()):
            return process, found[1], time.perf_counter() - begun
        time.sleep(0.02)
    raise SystemExit(log.read_text())


def cpu(pid: int) -> float | None:
    """Seconds of a processor that a process has used so far (Linux): what else runs adds less."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return round((int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), 2)


def opened(context: Any, url: str) -> tuple[float, float, int, int]:
    """Seconds to the question box and to the head; how many requests, and bytes over the wire."""
    page = context.new_page()
    link = context.new_cdp_session(page)
    link.send("Network.enable")
    sizes: list[int] = []
    link.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    begun = time.perf_counter()
    page.goto(url, wait_until="commit")
    page.wait_for_selector("#question textarea")
    typed = time.perf_counter() - begun
    page.wait_for_selector("#head h2")
    told = time.perf_counter() - begun
    page.close()
    return typed, told, len(sizes), int(sum(sizes))


def main() -> None:
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", required=True)
    parser.add_argument("--times", type=int, default=5)
    args = parser.parse_args()
    process, url, ready = started(args.home)
    out: dict[str, Any] = {"ready": round(ready, 2), "ready_cpu": cpu(process.pid)}
    try:
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
            cold, warm = [], []
            for _ in range(args.times):
                context = browser.new_context()
                cold.append(opened(context, url))
                warm.append(opened(context, url))
                context.close()
            browser.close()
    finally:
        process.terminate()
        process.wait(40)
    for name, seen in (("empty_cache", cold), ("full_cache", warm)):
        typed, told, requests, size = zip(*seen, strict=True)
        out[name] = {
            "first": round(typed[0], 2),
            "to_question": round(statistics.median(typed), 2),
            "to_question_max": round(max(typed), 2),
            "to_head": round(statistics.median(told), 2),
            "requests": statistics.median(requests),
            "kilobytes": round(statistics.median(size) / 1000),
        }
    print(json.dumps(out, indent=1))


if __name__ == "__main__":
    main()
