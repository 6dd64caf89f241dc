"""Many clients at once against a running `footnoted serve`: latency, errors, memory.

    footnoted serve --home ./papers --port 7860 &
    python benchmarks/load.py --url http://127.0.0.1:7860 --clients 32 --seconds 60 --pid $!

Each client asks about a paper of the collection, waits for the answer, and asks again: first for
`--warm-up` seconds that are not counted, then for `--seconds`. With `--slow N`, N more clients
open a stream and never read it: the others must not notice. With `--pid` the memory of the server
is told after the warm-up and at the end; `--may-grow MB` fails where it grew by more.

With `--stream`, clients read the answer as it is written, and the gaps between tokens are told: one
client's must not wait for another's. `slow_llm.py` is a model of 30 tokens a second.

Prints one JSON object; exits 1 where a request failed. The figures hold for the machine and what
else ran.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import random
import socket
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx


@dataclass
class Seen:
    """What the clients saw; times are in seconds."""

    seconds: list[float] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    answered: int = 0


async def client(
    http: httpx.AsyncClient, titles: list[str], until: float, seen: Seen, streaming: bool
) -> None:
    rng = random.Random(id(asyncio.current_task()))
    while time.monotonic() < until:
        body = {"question": f"What does the paper {rng.choice(titles)} find?"}
        started = time.perf_counter()
        try:
            answer = await (streamed if streaming else whole)(http, body, seen)
            seen.answered += not answer["refused"]
        except (httpx.HTTPError, ValueError, KeyError) as error:
            seen.errors.append(repr(error))
        seen.seconds.append(time.perf_counter() - started)


async def whole(http: httpx.AsyncClient, body: dict[str, Any], _: Seen) -> dict[str, Any]:
    reply = await http.post("/api/ask", json=body)
    if reply.status_code != 200:
        raise ValueError(f"{reply.status_code}: {reply.text[:200]}")
    return reply.json()


async def streamed(http: httpx.AsyncClient, body: dict[str, Any], seen: Seen) -> dict[str, Any]:
    """The answer at the end of the stream; notes how its tokens came."""
    kind, came = "", []
    async with http.stream("POST", "/api/ask", json={**body, "stream": True}) as reply:
        async for line in reply.aiter_lines():
            if line.startswith("event: "):
                kind = line.removeprefix("event: ")
                if kind == "token":
                    came.append(time.perf_counter())
            elif line.startswith("data: ") and kind in ("answer", "error"):
                found = json.loads(line.removeprefix("data: "))
                if kind == "error":
                    raise ValueError(found["message"])
                seen.gaps += [b - a for a, b in itertools.pairwise(came)]
                if len(came) > 1:
                    seen.rates.append((len(came) - 1) / (came[-1] - came[0]))
                return found
    raise ValueError("a stream without an answer")


def dead_client(url: str, question: str) -> socket.socket:
    """Ask for a stream and never read it."""
    parts = urlsplit(url)
    body = json.dumps({"question": question, "stream": True})
    head = (
        f"POST /api/ask HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    link = socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 80))
    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
    link.sendall(f"{head}{body}".encode())
    return link


def resident(pid: int | None) -> int | None:
    """Megabytes that a process holds in memory (Linux)."""
    if pid is None:
        return None
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(x.split()[1] for x in status.splitlines() if x.startswith("VmRSS"))) // 1024


def quantiles(values: list[float], name: str) -> dict[str, float]:
    ranked = sorted(values)
    if not ranked:
        return {}
    at = {"p50": 0.5, "p95": 0.95, "max": 1.0}
    last = len(ranked) - 1
    return {f"{name}{key}": round(ranked[int(share * last)], 3) for key, share in at.items()}


async def run(args: argparse.Namespace) -> dict[str, Any]:
    limits = httpx.Limits(max_connections=args.clients)
    async with httpx.AsyncClient(base_url=args.url, timeout=120, limits=limits) as http:
        papers = (await http.get("/api/papers", params={"limit": 500})).json()
        titles = [paper["title"] for paper in papers["papers"]]

        async def all_for(seconds: float) -> Seen:
            seen, until = Seen(), time.monotonic() + seconds
            asking = [client(http, titles, until, seen, args.stream) for _ in range(args.clients)]
            await asyncio.gather(*asking)
            return seen

        dead = [dead_client(args.url, f"What is {titles[0]}?") for _ in range(args.slow)]
        before = await all_for(args.warm_up) if args.warm_up else Seen()
        warm, started = resident(args.pid), time.monotonic()
        seen = await all_for(args.seconds)
        took, end = time.monotonic() - started, resident(args.pid)
        for link in dead:
            link.close()
    errors = before.errors + seen.errors
    return {
        "papers": papers["total"],
        "clients": args.clients,
        "dead_clients": args.slow,
        "requests": len(seen.seconds),
        "per_second": round(len(seen.seconds) / took, 1),
        "answered": seen.answered,
        "errors": len(errors),
        "first_errors": errors[:3],
        **quantiles(seen.seconds, ""),
        **quantiles(seen.gaps, "gap_"),
        **({"tokens_per_second_slowest": round(min(seen.rates), 1)} if seen.rates else {}),
        "memory_mb_warm": warm,
        "memory_mb_end": end,
        "memory_mb_grown": end - warm if warm and end else None,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:7860")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--slow", type=int, default=0)
    parser.add_argument("--warm-up", type=float, default=20, help="seconds that do not count")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--stream", action="store_true", help="read answers as they are written")
    parser.add_argument("--pid", type=int, help="the server's, to see its memory")
    parser.add_argument("--may-grow", type=int, metavar="MB", help="fail where it grew by more")
    args = parser.parse_args()
    found = asyncio.run(run(args))
    print(json.dumps(found, indent=1))
    grown = args.may_grow is not None and (found["memory_mb_grown"] or 0) > args.may_grow
    return 1 if found["errors"] or grown else 0


if __name__ == "__main__":
    sys.exit(main())
