"""Answers that come late, in part or unasked: none passes for the answer to another question."""

from __future__ import annotations

import time

import pytest

from labmon.device import LinkDriver
from labmon.device.link_driver import MAX_REFUSALS
from labmon.device.transport import LinkSettings, open_link
from labmon.errors import InstrumentTimeoutError
from tests.drivers.echo import FAST, LINK_KEYS, Echo


def test_a_pause_between_requests_is_kept(bench, kind, echo):
    link = open_link(bench.serve(kind, echo).port, LinkSettings(terminator="\r\n", gap_s=0.12))
    started = time.monotonic()
    for _ in range(3):
        link.query("x")
    assert time.monotonic() - started >= 0.24
    link.close()


def test_what_a_board_says_while_it_starts_is_forgotten(bench, kind, echo):
    echo.said = b"boot v1.2\r\nready\r\n"
    settings = FAST.changed(settle_s=0.1)
    link = open_link(bench.serve(kind, echo).port, settings)
    with pytest.raises(InstrumentTimeoutError, match="nothing"):
        link.read_line(timeout_s=0.05)
    link.close()


def test_the_rest_of_a_late_answer_does_not_pass_for_the_next(bench, kind):
    class Slow:
        """Answers `2.31E-09` so slowly that its end comes after the next connect."""

        def __init__(self):
            self.said, self.answer = b"", b"2"

        def feed(self, data):
            answer, self.answer = self.answer, b"2.31E-09\r\n"
            return answer

        def tick(self, now_s):
            said, self.said = self.said, b""
            return said

    slow = Slow()
    port = bench.serve(kind, slow).port
    link = open_link(port, FAST)
    with pytest.raises(InstrumentTimeoutError):
        link.query("PR?")
    link.close()
    link = open_link(port, FAST)
    slow.said = b".31E-09\r\n"
    link.wait_until_quiet(0.05)
    assert link.query_number("PR?") == 2.31e-9
    link.close()


class Dripping:
    """Answers 4.7E-03, a byte each 0.15 s until it is told to hurry; counts what it was asked."""

    def __init__(self):
        self.waiting, self.next_s, self.asked, self.is_slow = b"", 0.0, 0, True

    def feed(self, data):
        self.asked += data.count(b"\n")
        self.waiting += b"4.7E-03\r\n" * data.count(b"\n")
        return b""

    def tick(self, now_s):
        if self.is_slow and now_s < self.next_s:
            return b""
        self.next_s = now_s + 0.15
        size = 1 if self.is_slow else len(self.waiting)
        said, self.waiting = self.waiting[:size], self.waiting[size:]
        return said


def test_after_half_an_answer_nothing_is_asked_before_the_line_is_quiet(bench, kind):
    dripping = Dripping()
    driver = bench.use(LinkDriver(bench.serve(kind, dripping).port, **LINK_KEYS))
    driver.connect()
    with pytest.raises(InstrumentTimeoutError, match="only b'4"):
        driver.link.query("PR?")
    driver.disconnect()
    with pytest.raises(InstrumentTimeoutError, match="still sends what it was asked"):
        driver.connect()
    assert dripping.asked == 1
    dripping.is_slow = False  # what was left comes now, at once
    driver.disconnect()
    driver.connect()
    assert driver.link.query_number("PR?") == 4.7e-3


class Busy:
    """Answers `A?` and `B?` with their letter; one answer to `B?` comes 0.25 s late, or later."""

    def __init__(self):
        self.late, self.due_s, self.is_busy = b"", 0.0, True

    def feed(self, data):
        said, self.late = self.late, b""
        if data.startswith(b"B") and self.is_busy:
            self.late, self.due_s, self.is_busy = b"B\r\n", 0.0, False
            return said
        return said + data[:1] + b"\r\n"

    def tick(self, now_s):
        self.due_s = self.due_s or now_s + 0.25
        if now_s < self.due_s:
            return b""
        said, self.late = self.late, b""
        return said


def test_an_answer_that_comes_after_its_time_is_not_taken_for_the_next_one(bench):
    port = bench.serve("pty", Busy()).port
    driver = bench.use(LinkDriver(port, **LINK_KEYS | {"reply_timeout_s": 0.15}))
    driver.connect()
    assert driver.link.query("A?") == "A"
    with pytest.raises(InstrumentTimeoutError, match="nothing"):
        driver.link.query("B?")
    driver.disconnect()
    driver.connect()
    assert driver.link.query("A?") == "A"


def test_an_instrument_that_never_answered_is_not_waited_for(bench):
    """A cable that is unplugged costs no second of a shared line at each attempt."""

    class Mute(Busy):
        def feed(self, data):
            return b""

    driver = bench.use(LinkDriver(bench.serve("tcp", Mute()).port, **LINK_KEYS))
    driver.connect()
    with pytest.raises(InstrumentTimeoutError):
        driver.link.query("A?", timeout_s=0.05)
    driver.disconnect()
    assert not driver._is_owed


def test_an_instrument_that_speaks_by_itself_is_asked_again_all_the_same(bench):
    class Restless(Echo):
        def tick(self, now_s):
            return b"hello\r\n" if int(now_s / 0.05) % 2 else super().tick(now_s)

    driver = bench.use(LinkDriver(bench.serve("tcp", Restless()).port, **LINK_KEYS))
    driver._is_owed = True
    for _ in range(MAX_REFUSALS):
        with pytest.raises(InstrumentTimeoutError):
            driver.connect()
    driver.connect()
    assert driver.link.read_line()
