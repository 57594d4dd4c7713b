from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Any

import pytest

from labmon.device import Channel, Driver, InstrumentError, Parameter, Timed, command
from labmon.device.outbox import Outbox
from labmon.reading import Batch

if TYPE_CHECKING:
    from collections.abc import Iterator


class Board(Driver):
    """Prints values when it likes: what stands in `lines`."""

    x = Channel(unit="V")

    def __init__(self) -> None:
        self.lines: queue.Queue[Any] = queue.Queue()
        self.level = 0.0
        self.connects = 0
        self.closed = threading.Event()
        self.threads: set[str] = set()

    def connect(self) -> None:
        self.connects += 1

    def stream(self) -> Iterator[Any]:
        try:
            while True:
                self.threads.add(threading.current_thread().name)
                try:
                    line = self.lines.get(timeout=0.02)
                except queue.Empty:
                    yield None
                    continue
                if isinstance(line, Exception):
                    raise line
                if line == "end":
                    return
                yield line
        finally:
            self.closed.set()

    @Parameter(unit="V")
    def gain(self) -> float:
        """Gain."""
        return self.level

    @gain.setter
    def set_gain(self, value: float) -> None:
        self.level = value

    @command
    def ping(self) -> str:
        """Say something."""
        self.threads.add(threading.current_thread().name)
        return "pong"


@pytest.fixture
def board() -> Board:
    return Board()


async def test_what_an_instrument_pushes_is_published_in_order(bench, board):
    device = await bench.started(board, "board")
    await bench.until(lambda: device.state == "online")
    for i in range(500):
        board.lines.put({"x": i})
    await bench.until(lambda: len(bench.values("board", "x")) == 500)
    assert bench.values("board", "x") == list(range(500))
    assert device.status()["asked_hz"] is None
    assert device.status()["polls"] >= 500


async def test_commands_get_their_turn_on_the_same_thread(bench, board):
    device = await bench.started(board, "board")
    await bench.until(lambda: device.state == "online")
    assert await device.call("ping", {}) == "pong"
    await device.call("set_gain", {"value": 2.0})
    await bench.until(lambda: bench.of("board/gain")[-1] == 2.0)
    assert len(board.threads) == 1


async def test_readings_may_bring_their_own_time(bench, board):
    await bench.started(board, "board")
    board.lines.put(Timed(1_700_000_000_000_000_000, {"x": 1}))
    await bench.until(lambda: bool(bench.values("board", "x")))
    batch = next(b for b in bench.batches if b.paths[0] == "board/x" and b.values[0] == 1)
    assert batch.time_ns == 1_700_000_000_000_000_000


@pytest.mark.parametrize("last", ["end", InstrumentError("garbage")])
async def test_a_stream_that_ends_or_fails_is_connected_anew(bench, board, last):
    device = await bench.started(board, "board")
    await bench.until(lambda: device.state == "online")
    board.lines.put({"x": 1})
    board.lines.put(last)
    await bench.until(lambda: board.connects == 2 and board.lines.empty())
    board.lines.put({"x": 2})
    await bench.until(lambda: bench.values("board", "x") == [1, 2])
    await bench.until(lambda: device.state == "online")
    assert bench.states("board") == ["connecting", "online", "offline", "online"]
    assert bench.of("board/x") == [None, 1, None, 2]


async def test_an_outage_lasts_until_the_instrument_speaks(bench, board):
    device = await bench.started(board, "board")
    await bench.until(lambda: device.state == "online")
    for _ in range(3):
        board.lines.put(InstrumentError("silent for too long"))
    await bench.until(lambda: device.status()["errors"] == 3)
    await bench.until(lambda: board.connects == 4)
    assert bench.states("board") == ["connecting", "online", "offline"]
    board.lines.put({})
    await bench.until(lambda: device.state == "online")


async def test_stopping_closes_the_stream(bench, board):
    device = await bench.started(board, "board")
    await bench.until(lambda: device.state == "online")
    await device.stop()
    assert board.closed.is_set()
    assert not device.is_stuck


async def test_a_stream_that_hangs_is_stuck(bench, board):
    release = threading.Event()
    device = bench.device(board, "board")

    def hang() -> Iterator[None]:
        device._poller._timeout_s = 0.05  # of the next pull: this one is given all its time
        yield None
        release.wait()

    board.stream = hang
    board.abort = release.set
    await device.start()
    await bench.until(lambda: bench.states("board")[:3] == ["connecting", "online", "stuck"])
    device._poller._timeout_s = 30.0
    del board.stream
    board.lines.put({"x": 1})
    await bench.until(lambda: device.state == "online")


async def test_an_outbox_that_is_full_loses_the_oldest_and_counts():
    taken: list[Any] = []
    outbox = Outbox(lambda batches: taken.extend(batches[0].values), limit_readings=10)
    for i in range(25):
        outbox.put([Batch("board", i, ("board/x",), (i,), b"\0")])
    outbox.flush()
    assert taken == list(range(15, 25))
    assert outbox.dropped == 15


async def test_an_outbox_that_is_closed_takes_and_gives_nothing():
    taken: list[Any] = []
    outbox = Outbox(lambda batches: taken.extend(batches[0].values))
    outbox.put([Batch("board", 1, ("board/x",), (1,), b"\0")])
    outbox.close()
    outbox.put([Batch("board", 2, ("board/x",), (2,), b"\0")])
    outbox.flush()
    assert taken == []
