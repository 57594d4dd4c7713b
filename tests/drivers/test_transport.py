"""Byte links over a socket and a pseudo-terminal: times, bounds, and what goes wrong."""

from __future__ import annotations

import os
import socket
import threading
import time

import pytest

from labmon.device.transport import MAX_LINE_BYTES, Link, LinkSettings, open_link
from labmon.errors import InstrumentError, InstrumentTimeoutError, OfflineError
from tests.drivers.echo import LINE
from tests.drivers.patience import PATIENT, in_a_hurry


@pytest.fixture
def link(bench, kind, echo):
    link = open_link(bench.serve(kind, echo).port, LINE)
    assert link.query("hello") == "hello"  # what is said before a client is accepted is lost
    yield link
    link.close()


def test_a_request_gets_its_answer(link):
    assert link.query("PR1?") == "PR1?"
    assert link.query("PR2?") == "PR2?"


def test_stale_input_is_dropped_before_a_request(link, echo, wait_until):
    echo.said = b"late answer\r\n"
    wait_until(lambda: not echo.said)
    assert link.query("PR1?") in {"PR1?"}


def test_silence_is_a_timeout_that_says_where(link):
    started = time.monotonic()
    with (
        in_a_hurry(link, 0.3),
        pytest.raises(InstrumentTimeoutError, match=r"sent nothing within 0\.3 s after b'QUIET"),
    ):
        link.query("QUIET")
    assert time.monotonic() - started > 0.25
    assert link.query("still there?") == "still there?"


def test_half_a_line_is_a_timeout_that_quotes_it(link, echo, wait_until):
    echo.said = b"half"
    wait_until(lambda: not echo.said)
    with in_a_hurry(link), pytest.raises(InstrumentTimeoutError, match=r"only b'half'"):
        link.read_line()


def test_a_dripping_line_does_not_stretch_the_timeout(bench, kind, echo):
    server, faulty = bench.faulty(kind, echo)
    link = open_link(server.port, LINE)
    faulty.fault = "drip"
    started = time.monotonic()
    with in_a_hurry(link), pytest.raises(InstrumentTimeoutError):
        link.query("a line that takes a minute ".ljust(300, "."))
    assert time.monotonic() - started < 30
    link.close()


def test_lines_are_bounded_and_reading_goes_on_after_the_end(link, echo):
    echo.said = b"x" * 6000 + b"tail\r\ngood\r\n"
    with pytest.raises(InstrumentError, match="4096 bytes"):
        link.read_line()
    assert link.read_line() == b"good"
    assert MAX_LINE_BYTES == 4096


def test_the_terminator_may_be_split_anywhere():
    class Scripted:
        def __init__(self, chunks):
            self.chunks = list(chunks)

        def read_some(self, wait_s):
            return self.chunks.pop(0) if self.chunks else b""

        def close(self):
            self.chunks = []

    for chunks in ([b"a\r", b"\nb\r\n"], [b"a", b"\r", b"\n", b"b\r\n"], [b"a\r\nb", b"\r\n"]):
        link = Link(Scripted(chunks), "scripted", LINE)  # pyright: ignore[reportArgumentType]
        assert [link.read_line(), link.read_line()] == [b"a", b"b"]
    drops = [b"y" * 3000, b"y" * 3000 + b"\r", b"\nc\r\n"]
    link = Link(Scripted(drops), "scripted", LINE)  # pyright: ignore[reportArgumentType]
    with pytest.raises(InstrumentError):
        link.read_line()
    assert link.read_line() == b"c"


def test_bytes_that_are_no_text_are_garbage_not_a_value(link, echo):
    echo.said = b"\xff\xfe\x00\r\n"
    with pytest.raises(InstrumentError, match="garbage"):
        link.decode(link.read_line())


def test_exactly_so_many_bytes(link, echo):
    echo.said = b"abcdef"
    assert link.read_exactly(4) == b"abcd"
    with in_a_hurry(link), pytest.raises(InstrumentTimeoutError, match=r"only b'ef'"):
        link.read_exactly(4)


def test_closing_from_another_thread_ends_a_read(link):
    started = time.monotonic()
    closer = threading.Timer(0.1, link.close)
    closer.start()
    with pytest.raises(OfflineError, match="closed"):
        link.read_line(timeout_s=60)
    assert time.monotonic() - started < 30
    closer.join()
    with pytest.raises(OfflineError):
        link.write(b"x")
    link.close()  # more than once is fine


def test_the_other_side_going_is_offline_at_once(bench, kind, echo):
    server = bench.serve(kind, echo)
    link = open_link(server.port, LINE)
    link.query("hello")
    server.close()
    with pytest.raises(OfflineError, match=server.port):
        link.query("anybody?")
    assert not link.is_open
    with pytest.raises(OfflineError):
        link.query("anybody?")


def test_closing_a_link_leaves_no_file_descriptor(bench, kind, echo):
    server = bench.serve(kind, echo)
    open_link(server.port, LINE).close()
    before = len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0  # noqa: PTH110, PTH208
    for _ in range(5):
        open_link(server.port, LINE).close()
    after = len(os.listdir("/proc/self/fd")) if before else 0  # noqa: PTH208
    assert after <= before + 1  # the server may still hold the last one


def test_a_device_that_takes_nothing_ends_the_link():
    ours, theirs = os.openpty()
    try:
        link = open_link(os.ttyname(theirs), LINE)
        with in_a_hurry(link), pytest.raises(InstrumentTimeoutError, match="took no more bytes"):
            link.write(b"z" * 200_000)
        with pytest.raises(OfflineError):  # what half went out must not be followed by more
            link.write(b"x")
        link.close()
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_tcp_peer_that_takes_nothing_ends_the_link():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        link = open_link(f"tcp://127.0.0.1:{listener.getsockname()[1]}", LINE)
        peer, _ = listener.accept()
        with peer, in_a_hurry(link), pytest.raises(InstrumentTimeoutError):
            link.write(b"z" * 50_000_000)
        link.close()


def test_file_descriptors_above_1023_work(bench, kind, echo):
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 1200:
        pytest.skip("too few file descriptors are allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1200), hard))
    server = bench.serve(kind, echo)
    spare = [os.open(os.devnull, os.O_RDONLY) for _ in range(1050)]
    try:
        link = open_link(server.port, LINE)
        assert link.query("x") == "x"
        link.close()
    finally:
        for each in spare:
            os.close(each)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_usbtmc_message_is_read_only_when_something_was_asked(bench, echo, tmp_path):
    device = tmp_path / "usbtmc0"  # a pseudo-terminal: it knows none of the ioctls
    bench.serve("pty", echo, link=device)
    link = open_link(str(device), LinkSettings(terminator="\r\n", **PATIENT))
    assert link.query("*IDN?") == "*IDN?"
    echo.said = b"nobody asked\r\n"
    with pytest.raises(InstrumentTimeoutError):
        link.read_line(timeout_s=0.1)
    link.close()
    with pytest.raises(OfflineError, match="plugged in"):
        open_link(str(tmp_path / "usbtmc7"))


def test_escaped_terminators_of_the_configuration_are_understood():
    settings = LinkSettings().changed(terminator=r"\r\n", reply_terminator=r"\r")
    assert (settings.sent_end, settings.received_end) == (b"\r\n", b"\r")
    assert LinkSettings(terminator="\r").received_end == b"\r"
