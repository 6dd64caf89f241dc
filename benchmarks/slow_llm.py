"""A model for `load.py` to wait for: it says the same words again, so many a second.

    python benchmarks/slow_llm.py --port 8901 --rate 30 &
    footnoted serve --home ./papers --backend openai --base-url http://127.0.0.1:8901/v1 --model m

Speaks OpenAI's streaming chat completions on loopback, for any number of clients at once.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from contextlib import suppress

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


def chunk(content: str | None, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": finish}
    body = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return f"data: {json.dumps({**body, 'choices': [choice]})}\n\n".encode()


async def answer(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, words: int, rate: float
) -> None:
    with suppress(OSError, asyncio.IncompleteReadError):
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(head.partition(b"content-length:")[2].split(b"\r\n")[0]))
        writer.write(HEAD)
        due = asyncio.get_running_loop().time()
        for number in range(words):
            writer.write(chunk(f"word{number} " if number + 1 < words else "[1]."))
            await writer.drain()
            due += 1 / rate  # on a clock: what a token took to send does not add up
            await asyncio.sleep(max(due - asyncio.get_running_loop().time(), 0))
        writer.write(chunk(None, "stop") + b"data: [DONE]\n\n")
        await writer.drain()
    writer.close()


async def main(args: argparse.Namespace) -> None:
    server = await asyncio.start_server(
        lambda r, w: answer(r, w, args.words, args.rate), "127.0.0.1", args.port, limit=2**20
    )
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8901)
    parser.add_argument("--rate", type=float, default=30, help="tokens a second")
    parser.add_argument("--words", type=int, default=90, help="tokens of an answer")
    with suppress(KeyboardInterrupt):
        asyncio.run(main(parser.parse_args()))
