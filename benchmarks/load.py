"""Many clients at once against a running `footnoted serve`: latency, errors, memory.

    footnoted serve --home ./papers --port 7860 &
    python benchmarks/load.py --url http://127.0.0.1:7860 --clients 32 --seconds 60 --pid $!

Each client asks about a paper of the collection, waits for the answer, and asks again. With
`--slow N`, N more clients open a stream and never read it: the others must not notice. Prints one
JSON object; exits 1 where a request failed. The figures hold for the machine and what else ran.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import socket
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx


async def client(
    http: httpx.AsyncClient, titles: list[str], until: float, out: dict[str, Any]
) -> None:
    rng = random.Random(id(asyncio.current_task()))
    while time.monotonic() < until:
        body = {"question": f"What does the paper {rng.choice(titles)} find?"}
        started = time.perf_counter()
        try:
            reply = await http.post("/api/ask", json=body)
            answer = reply.json()
            if reply.status_code != 200 or "sentences" not in answer:
                out["errors"].append(f"{reply.status_code}: {reply.text[:200]}")
            elif not answer["refused"]:
                out["answered"] += 1
        except (httpx.HTTPError, ValueError) as error:
            out["errors"].append(repr(error))
        out["seconds"].append((time.monotonic(), time.perf_counter() - started))


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


async def run(args: argparse.Namespace) -> dict[str, Any]:
    out: dict[str, Any] = {"seconds": [], "errors": [], "answered": 0}
    limits = httpx.Limits(max_connections=args.clients)
    async with httpx.AsyncClient(base_url=args.url, timeout=120, limits=limits) as http:
        papers = (await http.get("/api/papers", params={"limit": 500})).json()
        titles = [paper["title"] for paper in papers["papers"]]
        dead = [dead_client(args.url, f"What is {titles[0]}?") for _ in range(args.slow)]
        until = time.monotonic() + args.seconds
        tasks = [asyncio.create_task(client(http, titles, until, out)) for _ in range(args.clients)]
        await asyncio.sleep(args.seconds / 3)
        warm = resident(args.pid)
        await asyncio.gather(*tasks)
        for link in dead:
            link.close()
    took = sorted(seconds for _, seconds in out["seconds"])
    return {
        "papers": papers["total"],
        "clients": args.clients,
        "dead_clients": args.slow,
        "requests": len(took),
        "per_second": round(len(took) / args.seconds, 1),
        "answered": out["answered"],
        "errors": len(out["errors"]),
        "first_errors": out["errors"][:3],
        "p50": round(took[len(took) // 2], 3),
        "p95": round(took[int(len(took) * 0.95)], 3),
        "max": round(took[-1], 3),
        "memory_mb_warm": warm,
        "memory_mb_end": resident(args.pid),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:7860")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--slow", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--pid", type=int, help="the server's, to see its memory")
    found = asyncio.run(run(parser.parse_args()))
    print(json.dumps(found, indent=1))
    return 1 if found["errors"] else 0


if __name__ == "__main__":
    sys.exit(main())
