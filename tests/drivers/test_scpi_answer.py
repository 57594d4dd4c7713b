"""Answers of SCPI instruments: cells, strings and blocks, in pieces too; and channels of them."""

from __future__ import annotations

import struct
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labmon.device import InstrumentError, Quality, Samples, Value
from labmon_drivers._sample_clock import SampleClock
from labmon_drivers.protocols import scpi_answer
from labmon_drivers.protocols.scpi_answer import Answer, Answers, numbers
from labmon_drivers.scpi import Scpi, ScpiChannel
from labmon_drivers.simulators.scpi import Scpi as SimulatedSupply

FLOATS = struct.pack(">3f", 1.0, -2.5, 4.0)


def answer(data: bytes, end: bytes = b"\n") -> tuple[str | bytes, ...]:
    (only,) = Answers(end).feed(data)
    return only.cells


@pytest.mark.parametrize(
    ("data", "cells"),
    [
        (b"1.5\n", ("1.5",)),
        (b"\n", ("",)),
        (b"1.5, -2,CV\r\n", ("1.5", "-2", "CV")),
        (b"1;2\n", ("1", "2")),
        (b'"a,b",2\n', ('"a,b"', "2")),
        (b'-113,"it\'s ""undefined"""\n', ("-113", '"it\'s ""undefined"""')),
        (b'"never closed,2\n', ('"never closed', "2")),
        (b"#15hello\n", (b"hello",)),
        (b"#204a\nb,\r\n", (b"a\nb,",)),
        (b"1,#13a,b;2\n", ("1", b"a,b", "2")),
        (b"#10\n", (b"",)),
        (b"#0any;thing,\n", (b"any;thing,",)),
        (b"#H1F,#Q17\n", ("#H1F", "#Q17")),  # numbers, no blocks
    ],
)
def test_cells_strings_and_blocks(data, cells):
    assert answer(data) == cells


@pytest.mark.parametrize("data", [b"#15hello!\n", b"#1x\n", b"#99999999990", b"\xff\xfe\n"])
def test_what_is_no_answer_is_refused_and_forgotten(data):
    answers = Answers()
    with pytest.raises(InstrumentError):
        answers.feed(data)
    assert answers.feed(b"1\n") == [Answer(("1",))]


def test_a_line_end_of_two_bytes_inside_a_block_does_not_end_it():
    assert answer(b"#16ab\r\ncd\r\n", b"\r\n") == (b"ab\r\ncd",)


def test_quotes_go_and_doubled_ones_become_one():
    assert Answer(('"say ""no"""',)).word(1) == 'say "no"'
    assert Answer(("'CV'",)).word(1) == "CV"
    assert Answer((b" text\0\n",)).word(1) == "text"
    with pytest.raises(InstrumentError, match="has 1 values, not 2"):
        Answer(("1",)).word(2)


cells = st.lists(
    st.one_of(
        st.binary(max_size=300),
        st.from_regex(r"[A-Za-z0-9.+-]{1,20}", fullmatch=True),
        st.from_regex(r'"[ -!#-~]{0,20}"', fullmatch=True),
    ),
    min_size=1,
    max_size=6,
)


def written(cell: str | bytes) -> bytes:
    if isinstance(cell, str):
        return cell.encode()
    size = str(len(cell)).encode()
    return b"#%d%s%s" % (len(size), size, cell)


@given(cells, st.lists(st.integers(1, 50), max_size=20), st.sampled_from([b"\n", b"\r\n"]))
def test_an_answer_in_pieces_is_the_answer(parts, sizes, end):
    data = b",".join(map(written, parts)) + end
    answers, came = Answers(end), []
    for size in [*sizes, len(data)]:
        piece, data = data[:size], data[size:]
        came += answers.feed(piece)
    assert came == [Answer(tuple(parts))]


@given(st.lists(st.binary(max_size=60), max_size=20))
def test_any_bytes_give_answers_or_an_instrument_error(pieces):
    answers = Answers()
    for piece in pieces:
        try:
            for each in answers.feed(piece):
                assert each.text is not None
        except InstrumentError:
            assert not answers._buffer


def test_what_never_ends_is_not_kept(monkeypatch):
    monkeypatch.setattr(scpi_answer, "MAX_BYTES", 1000)
    answers = Answers()
    for _ in range(55):
        assert answers.feed(b"1,2,3,4,5,6,7,8,9,") == []
    with pytest.raises(InstrumentError, match="more than 1000"):
        answers.feed(b"1,2,3,4,5,6,7,8,9,")
    assert not answers._buffer


def test_many_cells_take_no_time():
    assert len(answer(b"1.5," * 100_000 + b"1.5\n")) == 100_001


@pytest.mark.parametrize(
    ("settings", "value"),
    [
        ({"block": "float32", "index": 2}, Value(-2.5)),
        ({"block": "float32", "take": "max", "scale": 2.0}, Value(8.0)),
        ({"block": "float32", "take": "min"}, Value(-2.5)),
        ({"block": "float32", "take": "mean"}, Value(2.5 / 3)),
        ({"block": "float32", "take": "all"}, Value([1.0, -2.5, 4.0])),
    ],
)
def test_a_channel_takes_of_a_block_what_it_wants(settings, value):
    channel = ScpiChannel(query="CURV?", column=2, **settings)
    assert channel.read(Answer(("7", FLOATS)), {}) == value
    assert channel.channel().kind == ("nominal" if isinstance(value.value, list) else "numeric")


def test_lists_of_text_and_blocks_of_text():
    everything = ScpiChannel(query="A?", take="all")
    assert everything.read(Answer(("1", "9.91E37", "-2")), {}) == Value([1.0, None, -2.0])
    mean = ScpiChannel(query="A?", take="mean", column=2)
    assert mean.read(Answer(("7", "9.91E37", "-2", "4")), {}) == Value(1.0)
    assert mean.read(Answer(("7", "9.91E37")), {}) == Value(None, Quality.NO_SIGNAL)
    text = ScpiChannel(query="A?", block="text")
    assert text.read(Answer((b"a file,\n",)), {}) == Value("a file,")
    assert text.channel().kind == "nominal"


def test_a_block_of_something_else_is_refused():
    channel = ScpiChannel(query="A?", block="int16")
    for cells in (("1",), (b"abc",)):
        with pytest.raises(InstrumentError, match=r"is no (block|list)"):
            channel.read(Answer(cells), {})
    with pytest.raises(InstrumentError, match="has 1 numbers, not 2"):
        ScpiChannel(query="A?", block="int16", index=2).read(Answer((b"ab",)), {})
    with pytest.raises(InstrumentError, match="more than 10000"):
        ScpiChannel(query="A?", block="int8", take="all").read(Answer((b"a" * 10_001,)), {})
    with pytest.raises(ValueError, match="pattern gives one value"):
        ScpiChannel(query="A?", pattern="(.)", take="all")


def test_numbers_that_are_none_have_no_place_in_a_list():
    block = struct.pack("<2d", float("nan"), 1.0)
    assert numbers(block, "float64", "little")[1] == 1.0
    channel = ScpiChannel(query="A?", block="float64", byte_order="little", take="all")
    assert channel.read(Answer((block,)), {}) == Value([None, 1.0])


def test_samples_have_times_of_their_own(bench):
    channels = {"light": ScpiChannel(query="TRAC?", block="float32", take="samples", rate_hz=1000)}
    driver = bench.use(Scpi(bench.serve("tcp", SimulatedSupply(noise=0.0)).port, channels))
    driver.connect()
    before_ns = time.time_ns()
    first, second = (driver.poll()["light"] for _ in range(2))
    assert len(first.values) == 32
    assert before_ns - 32_000_000 <= first.times_ns[0] <= time.time_ns()
    assert np.diff(first.times_ns) == pytest.approx(1e6)
    assert second.times_ns[0] > first.times_ns[-1]
    assert (np.asarray(second.quality) == Quality.OK).all()
    for wrong in ({"take": "samples"}, {"rate_hz": 10.0}):
        with pytest.raises(ValueError, match="go together"):
            ScpiChannel(query="TRAC?", block="float32", **wrong)


@given(st.lists(st.tuples(st.integers(0, 50), st.floats(0.2, 5)), max_size=20))
def test_arrays_neither_overlap_nor_run_ahead(polls):
    clock, now_ns, last_ns = SampleClock(1000.0), 1_700_000_000_000_000_000, 0
    for count, factor in polls:
        now_ns += 1 + round(count * 1e6 * factor)
        start_ns, step_ns = clock.place(count, now_ns)
        if count:
            times_ns = np.asarray(Samples.spaced([0.0] * count, start_ns, step_ns).times_ns)
            assert (np.diff(times_ns) >= 0).all()
            assert times_ns[0] >= last_ns
            assert times_ns[-1] <= now_ns + 1
            last_ns = times_ns[-1]


def test_where_samples_were_lost_there_is_a_gap():
    clock = SampleClock(1000.0)
    base_ns = 1_700_000_000_000_000_000
    clock.place(100, base_ns)
    assert clock.place(100, base_ns + 101_000_000) == (base_ns + 1_010_000, 1_010_000.0)
    start_ns, step_ns = clock.place(100, base_ns + 5_000_000_000)
    assert (start_ns, step_ns) == (base_ns + 4_901_000_000, 1e6)
    assert clock.place(10, base_ns)[0] == base_ns - 9_000_000  # our clock was set back


@pytest.mark.parametrize("kind", ["tcp", "pty"])
def test_the_supply_answers_its_trace_as_block_and_as_text(bench, kind):
    channels = {
        "block": ScpiChannel(query="TRAC?", block="float32", take="all"),
        "text": ScpiChannel(query="TRAC:ASC?", take="all"),
        "mean": ScpiChannel(query="TRAC?", block="float32", take="mean"),
        "voltage": ScpiChannel(query="MEAS:VOLT?"),
    }
    driver = bench.use(Scpi(bench.serve(kind, SimulatedSupply(noise=0.0)).port, channels))
    driver.connect()
    polled = driver.poll()
    assert len(polled["block"].value) == 32
    assert polled["text"].value == pytest.approx(polled["block"].value, abs=1e-5)
    assert polled["mean"].value == pytest.approx(polled["voltage"].value, rel=1e-3)
