"""The worker: turns, hangs and callers that do not wait."""

from __future__ import annotations

import asyncio
import threading

import pytest

from labmon.device.worker import HungError, Run, Worker


@pytest.fixture
async def worker():
    worker = Worker("bench")
    worker.join()
    yield worker
    worker.leave()
    assert await worker.idle(30.0)


async def test_a_call_that_nobody_waits_for_any_more_never_begins(worker):
    go = threading.Event()
    done: list[int] = []
    first = Run("a", "first()", lambda: go.wait(30), 30.0)
    second = Run("a", "second()", lambda: done.append(2), 30.0)
    third = Run("a", "third()", lambda: done.append(3), 30.0)
    for run in (first, second, third):
        worker.start(run)
    assert [run.is_begun for run in (first, second, third)] == [True, False, False]
    second.outcome.cancel()
    go.set()
    await third.outcome
    assert done == [3]
    assert not second.is_begun


async def test_what_comes_of_a_call_is_told_though_its_caller_has_gone(worker):
    told = asyncio.get_running_loop().create_future()
    run = Run("a", "fail()", lambda: 1 / 0, 30.0, lambda _, error: told.set_result(error))
    worker.start(run)
    run.outcome.cancel()
    assert str(await told) == "ZeroDivisionError: division by zero"


async def test_a_call_that_returned_in_time_does_not_hang_because_the_loop_is_late(worker):
    loop = asyncio.get_running_loop()
    run = Run("a", "poll()", lambda: 7, 0.01)
    worker.start(run)
    due_s = loop.time() + 0.01
    worker.executor.submit(int).result(30)  # behind it on the one thread
    while loop.time() < due_s:
        pass
    assert await run.outcome == 7
    assert not worker.is_hung


async def test_what_a_hung_call_returns_in_the_end_is_thrown_away(worker):
    go = threading.Event()
    ends: list[BaseException | None] = []
    run = Run("a", "hang()", lambda: go.wait(30), 0.01, lambda _, error: ends.append(error))
    waiting = Run("b", "poll()", int, 30.0)
    worker.start(run)
    worker.start(waiting)
    with pytest.raises(HungError, match=r"^hang\(\) did not return within 0.01 s$"):
        await run.outcome
    with pytest.raises(HungError, match=r"^poll\(\) was not begun, as a's hang\(\) did not"):
        await waiting.outcome
    with pytest.raises(HungError, match="was not begun"):
        await worker.run("b", "poll()", int, 30.0)
    go.set()
    await worker.freed()
    assert len(ends) == 1
    assert await worker.run("b", "poll()", int, 30.0) == 0


async def test_a_thread_that_cannot_be_started_is_said_and_holds_up_nobody(worker, monkeypatch):
    def cannot(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(worker.executor, "submit", cannot)
        with pytest.raises(OSError, match=r"^poll\(\) cannot run: can't start new thread$"):
            await worker.run("a", "poll()", int, 30.0)
    assert await worker.run("a", "poll()", int, 30.0) == 0
