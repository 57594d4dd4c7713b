"""Every parser of bytes, of drivers and of simulators: bears anything, keeps little, finds its way.

A parser joins by its row in `PARSERS`; the simulators are those that are shipped.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from labmon.device import InstrumentError
from labmon.device.simulator import make_simulator
from labmon_drivers.protocols import agilent_window, decof, lines, modbus, scpi_answer
from labmon_drivers.simulators import SIMULATORS

ATTEMPTS = 80
JUNK = st.lists(st.binary(max_size=300), max_size=8)


@dataclass
class Parser:
    """One kind of parser.

    Attributes:
        make: a new one; each request gets its own.
        good: bytes of an answer.
        answer: what it makes of them.
        most_bytes: that it keeps.
        is_for_one: it waits for the answer to one request, and is used for no other.
    """

    make: Callable[[], Any]
    good: bytes
    answer: Any
    most_bytes: int
    is_for_one: bool = False


def _exchange(framing: Any) -> modbus.Exchange:
    return modbus.Exchange(framing, modbus.read_request(1, 3, 0, 1), 1)


PARSERS = {
    "lines": Parser(lines.LineSplitter, b"1.5\n", b"1.5", lines.MAX_LINE_BYTES + 1),
    "lines ended by two": Parser(
        lambda: lines.LineSplitter(b"\r\n"), b"1.5\r\n", b"1.5", lines.MAX_LINE_BYTES + 2
    ),
    "decof": Parser(decof.Replies, b"1.5\n> ", "1.5", decof.MAX_BYTES),
    "agilent_window": Parser(
        agilent_window.Messages,
        agilent_window.read(0, 205).encode(),
        agilent_window.read(0, 205),
        agilent_window.MAX_BYTES,
    ),
    "scpi_answer": Parser(
        scpi_answer.Answers, b"1.5\n", scpi_answer.Answer(("1.5",)), scpi_answer.MAX_BYTES
    ),
    "modbus rtu": Parser(
        lambda: _exchange("rtu"), b"\1\3\2\0\7\xf9\x86", [7], modbus.MAX_BYTES, is_for_one=True
    ),
    "modbus tcp": Parser(
        lambda: _exchange("tcp"),
        b"\0\1\0\0\0\5\1\3\2\0\7",
        [7],
        modbus.MAX_BYTES,
        is_for_one=True,
    ),
    "modbus ascii": Parser(
        lambda: _exchange("ascii"), b":0103020007F3\r\n", [7], modbus.MAX_BYTES, is_for_one=True
    ),
}


each_parser = pytest.mark.parametrize("parser", PARSERS.values(), ids=PARSERS)


def fed(reader: Any, data: bytes) -> list[Any]:
    """What it makes of bytes; registers for Modbus."""
    with suppress(InstrumentError):
        return [getattr(each, "registers", each) for each in reader.feed(data)]
    return []


def kept(reader: Any) -> int:
    """How many bytes it has in its hands."""
    return sum(len(each) for each in vars(reader).values() if isinstance(each, bytearray))


@each_parser
def test_a_good_answer_is_understood_however_it_is_cut(parser):
    assert fed(parser.make(), parser.good) == [parser.answer]
    reader = parser.make()
    found = [each for byte in parser.good for each in fed(reader, bytes([byte]))]
    assert found == [parser.answer]


@each_parser
@given(junk=JUNK)
@example(junk=[b"\x02" + b"9" * 70, b"#9999999999", b'"' * 300])
def test_junk_raises_nothing_but_instrument_error_and_is_not_kept(parser, junk):
    reader = parser.make()
    for piece in junk * 3:
        with suppress(InstrumentError):
            reader.feed(piece)
        assert kept(reader) <= parser.most_bytes + len(piece)


@each_parser
def test_what_never_ends_is_not_kept_either(parser):
    reader = parser.make()
    for byte in (b"x", b"\x02", b"#", b'"', b"(", b"\1\3", b"\0\1\0\0\0\5", b":", b"\0"):
        most = 0
        for _ in range(400):
            with suppress(InstrumentError):
                reader.feed(byte * 5000)
            most = max(most, kept(reader))
        assert most <= parser.most_bytes + 5000 * len(byte)


@each_parser
@given(junk=JUNK)
@example(junk=[b"#0"])
@example(junk=[b'"'])
@example(junk=[b"\x02"])
def test_after_junk_it_finds_its_way(parser, junk):
    """Good answers come again; where each request has its own parser, the next one does."""
    reader = parser.make()
    for piece in junk:
        fed(reader, piece)
    if parser.is_for_one:
        reader = parser.make()
    assert any(parser.answer in fed(reader, parser.good) for _ in range(ATTEMPTS))


# what simulators are asked


REQUESTS = [
    *(b"*IDN?", b"SENS:CORR:WAV x", b"VOLT x", b"SETP 1,x", b"RANGE 9", b"STREAM x", b"KRDG? Z"),
    *(b"PR9?", b"ch999", b"PRX", b"SEN,9,9", b"UNI,7", b"@001PR9?", b"@254CP1!MAYBE", b"#000F"),
    *(b"~ 01 0B 1A", b"~ 01 0B 9 53", b"*X01", b"(param-set! 'uptime x)", b"`(,(param-ref 'x))"),
    *(b"(param-set! 'laser1:dl:pc:voltage-set x)", b'"Heater.PID.setpoint"=x'),
    *(b"0010030902=?107", b"\x02\x800000\x03B1", b"\1\x10\0\0\0\1\2", b"\0\1\0\0\0\2\1\3"),
    *(b"GET / HTTP/1.1\r\n\r", b"\x10\x0c\0\4MQTT\4\2\0\x3c\0\0"),
]
ENDS = [b"\r", b"\n", b"\r\n", b";FF", b"\x05", b""]
ASKED = st.one_of(
    st.binary(max_size=60),
    st.tuples(st.sampled_from(REQUESTS), st.sampled_from(ENDS)).map(b"".join),
    st.text(max_size=30).map(lambda text: f"{text}\r\n".encode()),
)


@pytest.mark.parametrize("name", SIMULATORS)
@given(asked=st.lists(ASKED, max_size=12))
def test_a_simulator_takes_anything(name, asked):
    simulator = make_simulator(f"sim://{name}")
    for i, piece in enumerate(asked):
        assert isinstance(simulator.tick(i * 0.3), bytes)
        assert isinstance(simulator.feed(piece), bytes)


@pytest.mark.parametrize("name", SIMULATORS)
def test_a_simulator_takes_each_request(name):
    simulator = make_simulator(f"sim://{name}")
    for request in REQUESTS:
        for end in ENDS:
            simulator.feed(request + end)
