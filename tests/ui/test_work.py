from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from ui.work import Busy, Closing, Place, Pool, TooLong


async def collect(pool: Pool, work: Any, seconds: float = 5) -> list[Any]:
    return [item async for item in pool.stream(work, seconds)]


def counts(n: int) -> Any:
    return lambda: iter(range(n))


def test_what_the_work_yields_arrives_in_order() -> None:
    assert asyncio.run(collect(Pool(1, 1), counts(100))) == list(range(100))


def test_an_error_of_the_work_reaches_whoever_asked() -> None:
    def work() -> Iterator[int]:
        yield 1
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        asyncio.run(collect(Pool(1, 1), work))


def test_those_who_wait_are_told_their_place_and_the_next_is_turned_away() -> None:
    pool, go = Pool(1, 2), threading.Event()

    def slow() -> Iterator[str]:
        go.wait(5)
        yield "done"

    async def run() -> list[list[Any]]:
        tasks = []
        for _ in range(3):
            tasks.append(asyncio.create_task(collect(pool, slow)))
            await asyncio.sleep(0.05)
        with pytest.raises(Busy, match="2 questions wait"):
            await collect(pool, slow)
        go.set()
        return await asyncio.gather(*tasks)

    first, second, third = asyncio.run(run())
    assert first == ["done"]
    assert second[0] == Place(1)
    assert str(third[0]) == "busy, place 2"
    assert Place(1) in third and third[-1] == "done"


def test_who_leaves_frees_the_place_and_ends_the_work() -> None:
    pool, ended = Pool(1, 1), threading.Event()

    def endless() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            ended.set()

    async def run() -> list[Any]:
        stream = pool.stream(endless, 5)
        await anext(stream)
        await stream.aclose()
        return await collect(pool, counts(1))

    assert asyncio.run(run())[-1] == 0
    assert ended.wait(2)


def test_a_reader_that_never_reads_holds_no_place() -> None:
    pool = Pool(1, 4)

    async def run() -> list[Any]:
        dead = pool.stream(counts(1000), 30)
        await anext(dead)
        found = await collect(pool, counts(2))
        await dead.aclose()
        return found

    assert asyncio.run(run())[-2:] == [0, 1]


def test_the_total_time_is_kept() -> None:
    hold = threading.Event()

    def slow() -> Iterator[int]:
        hold.wait(2)
        yield 1

    with pytest.raises(TooLong, match="within 0 seconds"):
        asyncio.run(collect(Pool(1, 1), slow, 0.1))
    hold.set()


def test_draining_finishes_what_runs_and_takes_no_more() -> None:
    pool, go = Pool(1, 4), threading.Event()

    def slow() -> Iterator[str]:
        go.wait(5)
        yield "done"

    async def run() -> tuple[Any, bool]:
        task = asyncio.create_task(collect(pool, slow))
        await asyncio.sleep(0.05)
        drained = asyncio.create_task(asyncio.to_thread(pool.drain, 5))
        await asyncio.sleep(0.05)
        with pytest.raises(Closing):
            await collect(pool, counts(1))
        go.set()
        return await task, await drained

    assert asyncio.run(run()) == (["done"], True)
    assert (pool.running, pool.waiting) == (0, 0)
