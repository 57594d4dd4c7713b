"""Answers that come late, in part or unasked: none passes for the answer to another question."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager

import pytest

from labmon.device import LinkDriver
from labmon.device.link_driver import MAX_REFUSALS
from labmon.device.transport import Link, open_link
from labmon.errors import InstrumentTimeoutError
from tests.drivers.echo import LINE, LINK_KEYS, Echo
from tests.drivers.patience import in_a_hurry


@contextmanager
def never_quiet():
    """Inside, a line on which something comes is not quiet, however long the machine stalls."""
    wait = Link.wait_until_quiet
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Link, "wait_until_quiet", lambda link, *_: wait(link, 30.0, 0.1))
        yield


def test_a_pause_between_requests_is_kept(bench, kind, echo):
    link = open_link(bench.serve(kind, echo).port, LINE.changed(gap_s=0.12))
    started = time.monotonic()
    for _ in range(3):
        link.query("x")
    assert time.monotonic() - started >= 0.24
    link.close()


def test_what_a_board_says_while_it_starts_is_forgotten(bench, kind, echo):
    echo.said = b"boot v1.2\r\nready\r\n"
    link = open_link(bench.serve(kind, echo).port, LINE.changed(settle_s=0.4))
    with pytest.raises(InstrumentTimeoutError, match="nothing"):
        link.read_line(timeout_s=0.05)
    link.close()


def test_the_rest_of_a_late_answer_does_not_pass_for_the_next(bench, kind, wait_until):
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
    link = open_link(port, LINE)
    with in_a_hurry(link), pytest.raises(InstrumentTimeoutError):
        link.query("PR?")
    link.close()
    wait_until(lambda: slow.answer != b"2")  # it was asked
    link = open_link(port, LINE)
    slow.said = b".31E-09\r\n"
    wait_until(lambda: not slow.said)
    link.wait_until_quiet(0.05)
    assert link.query_number("PR?") == 2.31e-9
    link.close()


class Dripping:
    """Answers 4.7E-03, but with zeros without end until told to hurry; counts what it was asked."""

    def __init__(self):
        self.waiting, self.asked, self.is_slow = b"", 0, True

    def feed(self, data):
        self.asked += data.count(b"\n")
        self.waiting = b"E-03\r\n"
        return b"4.7"

    def tick(self, now_s):
        if self.is_slow and self.waiting:
            return b"0"
        said, self.waiting = self.waiting, b""
        return said


def test_after_half_an_answer_nothing_is_asked_before_the_line_is_quiet(bench, kind, wait_until):
    dripping = Dripping()
    driver = bench.use(LinkDriver(bench.serve(kind, dripping).port, **LINK_KEYS))
    driver.connect()
    driver.link.write_line("PR?")
    wait_until(lambda: dripping.asked)
    with in_a_hurry(driver), pytest.raises(InstrumentTimeoutError, match="only b'4"):
        driver.link.read_line()
    driver.disconnect()
    with never_quiet(), pytest.raises(InstrumentTimeoutError, match="still sends what it was"):
        driver.connect()
    assert dripping.asked == 1
    dripping.is_slow = False  # what was left comes now, at once
    driver.disconnect()
    wait_until(lambda: not dripping.waiting)
    driver.connect()
    assert driver.link.query_number("PR?") == 4.7e-3


class Busy:
    """Answers `A?` and `B?` with their letter; one answer to `B?` comes late, once it is due."""

    def __init__(self):
        self.late, self.is_due, self.is_busy = b"", False, True

    def feed(self, data):
        said, self.late = self.late, b""
        if data.startswith(b"B") and self.is_busy:
            self.late, self.is_busy = b"B\r\n", False
            return said
        return said + data[:1] + b"\r\n"

    def tick(self, now_s):
        if not self.is_due:
            return b""
        said, self.late = self.late, b""
        return said


def test_an_answer_that_comes_after_its_time_is_not_taken_for_the_next_one(bench, monkeypatch):
    monkeypatch.setattr("labmon.device.link_driver.OWED_QUIET_S", 1.0)
    busy = Busy()
    driver = bench.use(LinkDriver(bench.serve("pty", busy).port, **LINK_KEYS))
    driver.connect()
    assert driver.link.query("A?") == "A"
    with in_a_hurry(driver, 0.15), pytest.raises(InstrumentTimeoutError, match="nothing"):
        driver.link.query("B?")
    driver.disconnect()
    timer = threading.Timer(0.1, setattr, (busy, "is_due", True))
    timer.start()
    driver.connect()
    assert driver.link.query("A?") == "A"
    timer.join()


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
        with never_quiet(), pytest.raises(InstrumentTimeoutError):
            driver.connect()
    driver.connect()
    assert driver.link.read_line()
