"""Byte links over a socket and a pseudo-terminal: times, bounds, and what goes wrong."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time

import pytest
import serial

from labmon.device import LinkDriver
from labmon.device.link_driver import MAX_REFUSALS
from labmon.device.transport import MAX_LINE_BYTES, Link, LinkSettings, open_link
from labmon.device.transports.serial_port import find_usb_port
from labmon.errors import ConfigError, InstrumentError, InstrumentTimeoutError, OfflineError

LINK_KEYS = {"reply_timeout_s": 0.3, "write_timeout_s": 0.3, "terminator": "\r\n"}
FAST = LinkSettings(**LINK_KEYS)
UNPLUGGED = """\
import os, sys
from labmon.device.transport import LinkSettings, open_link
ours, theirs = os.openpty()
os.symlink(os.ttyname(theirs), sys.argv[1])
link = open_link(sys.argv[1], LinkSettings())
os.close(theirs)
os.close(ours)
"""


class Echo:
    """Answers each line with itself, `SAY x` with x as it stands, and `QUIET` with nothing."""

    def __init__(self) -> None:
        self.said = b""
        self.heard = bytearray()
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        self.heard += data
        *lines, self._rest = (self._rest + data).split(b"\r\n")
        return b"".join(line + b"\r\n" for line in lines if line != b"QUIET")

    def tick(self, now_s: float) -> bytes:
        said, self.said = self.said, b""
        return said


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
def link(bench, kind, echo):
    link = open_link(bench.serve(kind, echo).port, FAST)
    yield link
    link.close()


def test_a_request_gets_its_answer(link):
    assert link.query("PR1?") == "PR1?"
    assert link.query("PR2?") == "PR2?"


def test_stale_input_is_dropped_before_a_request(link, echo, wait_until):
    link.query("hello")
    echo.said = b"late answer\r\n"
    wait_until(lambda: not echo.said)
    assert link.query("PR1?") in {"PR1?"}


def test_silence_is_a_timeout_that_says_where(link):
    started = time.monotonic()
    with pytest.raises(InstrumentTimeoutError, match=r"sent nothing within 0\.3 s after b'QUIET"):
        link.query("QUIET")
    assert 0.25 < time.monotonic() - started < 1
    assert link.query("still there?") == "still there?"


def test_half_a_line_is_a_timeout_that_quotes_it(link, echo):
    echo.said = b"half"
    with pytest.raises(InstrumentTimeoutError, match=r"only b'half'"):
        link.read_line()


def test_a_dripping_line_does_not_stretch_the_timeout(bench, kind, echo):
    server, faulty = bench.faulty(kind, echo)
    link = open_link(server.port, FAST)
    faulty.fault = "drip"
    started = time.monotonic()
    with pytest.raises(InstrumentTimeoutError):
        link.query("a line that takes seconds")
    assert time.monotonic() - started < 1
    link.close()


def test_lines_are_bounded_and_reading_goes_on_after_the_end(link, echo):
    echo.said = b"x" * 6000 + b"tail\r\ngood\r\n"
    with pytest.raises(InstrumentError, match="4096 bytes"):
        link.read_line(timeout_s=5)
    assert link.read_line(timeout_s=5) == b"good"
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
        link = Link(Scripted(chunks), "scripted", FAST)  # pyright: ignore[reportArgumentType]
        assert [link.read_line(), link.read_line()] == [b"a", b"b"]
    drops = [b"y" * 3000, b"y" * 3000 + b"\r", b"\nc\r\n"]
    link = Link(Scripted(drops), "scripted", FAST)  # pyright: ignore[reportArgumentType]
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
    with pytest.raises(InstrumentTimeoutError, match=r"only b'ef'"):
        link.read_exactly(4)


def test_closing_from_another_thread_ends_a_read(link):
    started = time.monotonic()
    closer = threading.Timer(0.1, link.close)
    closer.start()
    with pytest.raises(OfflineError, match="closed"):
        link.read_line(timeout_s=30)
    assert time.monotonic() - started < 2
    closer.join()
    with pytest.raises(OfflineError):
        link.write(b"x")
    link.close()  # more than once is fine


def test_the_other_side_going_is_offline_at_once(bench, kind, echo):
    server = bench.serve(kind, echo)
    link = open_link(server.port, FAST)
    link.query("hello")
    server.close()
    with pytest.raises(OfflineError, match=server.port):
        link.query("anybody?")
    assert not link.is_open
    with pytest.raises(OfflineError):
        link.query("anybody?")


def test_closing_a_link_leaves_no_file_descriptor(bench, kind, echo):
    server = bench.serve(kind, echo)
    open_link(server.port, FAST).close()
    before = len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0  # noqa: PTH110, PTH208
    for _ in range(5):
        open_link(server.port, FAST).close()
    after = len(os.listdir("/proc/self/fd")) if before else 0  # noqa: PTH208
    assert after <= before + 1  # the server may still hold the last one


def test_a_port_that_is_not_there_says_so():
    with pytest.raises(OfflineError, match="is it plugged in"):
        open_link("/dev/labmon-no-such-port")


def test_a_host_that_does_not_listen_says_so():
    with socket.create_server(("127.0.0.1", 0)) as gone:
        address = gone.getsockname()
    with pytest.raises(OfflineError, match="refused"):
        open_link(f"tcp://127.0.0.1:{address[1]}")


@pytest.mark.parametrize(
    "port", ["", "tcp://", "tcp://host", "tcp://host:99999", "nonsense://x", "sim://no_such"]
)
def test_a_port_that_makes_no_sense_is_an_error_of_the_configuration(port):
    with pytest.raises(ConfigError):
        open_link(port)


def test_the_usual_tcp_port_of_an_instrument_need_not_be_written(bench, echo):
    port = bench.serve("tcp", echo).port
    host, _, number = port.rpartition(":")
    link = open_link(host, LinkSettings(tcp_port=int(number), terminator="\r\n"))
    assert link.query("x") == "x"
    link.close()
    link = open_link(port.replace("tcp://", "socket://"), FAST)
    assert link.query("x") == "x"
    link.close()


def test_a_usb_adapter_is_found_by_its_serial_number(monkeypatch):
    class Known:
        def __init__(self, device, serial_number):
            self.device, self.serial_number = device, serial_number

    ports = [Known("/dev/ttyUSB3", "A5"), Known("/dev/ttyUSB1", "B6"), Known("/dev/ttyS0", None)]
    monkeypatch.setattr("labmon.device.transports.serial_port.list_ports.comports", lambda: ports)
    assert find_usb_port("A5") == "/dev/ttyUSB3"
    ports[0].device = "/dev/ttyUSB0"  # replugged
    assert find_usb_port("A5") == "/dev/ttyUSB0"
    with pytest.raises(OfflineError, match="there are: A5, B6"):
        open_link("usb://C7")
    ports[1].serial_number = "A5"
    with pytest.raises(ConfigError, match="fits"):
        find_usb_port("A5")


def test_an_unplugged_port_comes_back_under_the_same_name(bench, echo, tmp_path):
    name = tmp_path / "by-id"
    first = bench.serve("pty", echo, link=name)
    link = open_link(str(name), FAST)
    assert link.query("one") == "one"
    first.close()
    with pytest.raises(OfflineError):
        link.query("gone")
    link.close()
    with pytest.raises(OfflineError):
        open_link(str(name), FAST)
    bench.serve("pty", echo, link=name)
    link = open_link(str(name), FAST)
    assert link.query("two") == "two"
    link.close()


@pytest.mark.parametrize("name", ["ttyUSB0", "usbtmc0"])
def test_a_port_that_is_unplugged_hangs_up_on_no_service(tmp_path, name):
    """A service leads its session: a terminal that it opens carelessly is its own, and ends it."""
    command = [sys.executable, "-c", UNPLUGGED, tmp_path / name]
    run = subprocess.run(command, start_new_session=True, capture_output=True, check=False)
    assert run.returncode == 0, run


def test_a_device_that_takes_nothing_ends_the_link():
    ours, theirs = os.openpty()
    try:
        link = open_link(os.ttyname(theirs), FAST)
        started = time.monotonic()
        with pytest.raises(InstrumentTimeoutError, match="took no more bytes"):
            link.write(b"z" * 200_000)
        assert time.monotonic() - started < 5
        with pytest.raises(OfflineError):  # what half went out must not be followed by more
            link.write(b"x")
        link.close()
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_tcp_peer_that_takes_nothing_ends_the_link():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        link = open_link(f"tcp://127.0.0.1:{listener.getsockname()[1]}", FAST)
        peer, _ = listener.accept()
        with peer, pytest.raises(InstrumentTimeoutError):
            link.write(b"z" * 50_000_000)
        link.close()


def test_two_programs_do_not_share_a_serial_port(bench, echo):
    port = bench.serve("pty", echo).port
    link = open_link(port, FAST)
    other = "import sys, serial; serial.Serial(sys.argv[1], exclusive=True)"
    run = subprocess.run([sys.executable, "-c", other, port], capture_output=True, check=False)
    assert b"Could not exclusively lock" in run.stderr
    link.close()
    with serial.Serial(port, exclusive=True), pytest.raises(OfflineError, match="another program"):
        open_link(port, FAST)


def test_devices_of_a_bus_share_a_port_and_take_turns(bench, kind, echo):
    port = bench.serve(kind, echo).port
    first, second = open_link(port, FAST), open_link(port, FAST)
    wrong: list[str] = []

    def ask(link: Link, text: str) -> None:
        wrong.extend(answer for _ in range(30) if (answer := link.query(text)) != text)

    other = threading.Thread(target=ask, args=(second, "two"))
    other.start()
    ask(first, "one")
    other.join()
    assert wrong == []
    first.close()
    assert second.query("still here") == "still here"
    second.close()
    open_link(port, FAST).close()


def test_a_broken_port_is_opened_anew_though_another_device_holds_it(bench, echo, tmp_path):
    name = tmp_path / "bus"
    server = bench.serve("pty", echo, link=name)
    first, second = open_link(str(name), FAST), open_link(str(name), FAST)
    server.close()
    with pytest.raises(OfflineError):
        first.query("gone")
    first.close()
    bench.serve("pty", echo, link=name)
    first = open_link(str(name), FAST)
    assert first.query("back") == "back"
    with pytest.raises(OfflineError, match="another device"):
        second.query("noticed late")
    second.close()
    second = open_link(str(name), FAST)
    assert (first.query("1"), second.query("2")) == ("1", "2")
    first.close()
    second.close()


@pytest.mark.skipif(os.name != "posix", reason="no pty")
def test_devices_of_a_bus_must_agree_on_its_speed(bench, echo):
    port = bench.serve("pty", echo).port
    link = open_link(port, FAST)
    with pytest.raises(OfflineError, match="differently"):
        open_link(port, FAST, baud_rate=19200)
    link.close()


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


def test_parity_and_speed_are_accepted_by_a_pseudo_terminal(bench, echo):
    settings = FAST.changed(baud_rate=57600, data_bits=7, parity="odd", stop_bits=2)
    port = bench.serve("pty", echo).port
    for _ in range(3):
        link = open_link(port, settings)
        assert link.query("x") == "x"
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


def test_file_descriptors_above_1023_work(bench, kind, echo):
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 1200:
        pytest.skip("too few file descriptors are allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1200), hard))
    server = bench.serve(kind, echo)
    spare = [os.open(os.devnull, os.O_RDONLY) for _ in range(1050)]
    try:
        link = open_link(server.port, FAST)
        assert link.query("x") == "x"
        link.close()
    finally:
        for each in spare:
            os.close(each)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_usbtmc_message_is_read_only_when_something_was_asked(bench, echo, tmp_path):
    device = tmp_path / "usbtmc0"  # a pseudo-terminal: it knows none of the ioctls
    bench.serve("pty", echo, link=device)
    link = open_link(str(device), LinkSettings(terminator="\r\n", reply_timeout_s=0.3))
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
