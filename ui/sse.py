"""Server-sent events: one event a step, and a comment now and then so that nothing hangs up."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from typing import Any

from starlette.responses import StreamingResponse

HEARTBEAT = 10.0  # seconds; proxies close what is silent for 30 to 60
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def sse(name: str, data: Any) -> str:
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


def data_only(data: Any) -> str:
    return f"data: {data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)}\n\n"


def event_stream(chunks: AsyncIterator[str]) -> StreamingResponse:
    return StreamingResponse(_encoded(chunks), media_type="text/event-stream", headers=_HEADERS)


async def _encoded(chunks: AsyncIterator[str]) -> AsyncIterator[bytes]:
    async with aclosing(_with_heartbeat(chunks)) as beating:  # type: ignore[type-var]
        async for chunk in beating:
            yield chunk.encode("utf-8", "replace")


async def _with_heartbeat(chunks: AsyncIterator[str]) -> AsyncIterator[str]:
    """The chunks, and a comment wherever none comes for a while."""
    coming = asyncio.ensure_future(_next(chunks))
    try:
        while True:
            done, _ = await asyncio.wait({coming}, timeout=HEARTBEAT)
            if not done:
                yield ": still here\n\n"
                continue
            chunk = coming.result()
            if chunk is None:
                return
            yield chunk
            coming = asyncio.ensure_future(_next(chunks))
    finally:
        coming.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await coming
        if hasattr(chunks, "aclose"):
            await chunks.aclose()


async def _next(chunks: AsyncIterator[str]) -> str | None:
    return await anext(chunks, None)
