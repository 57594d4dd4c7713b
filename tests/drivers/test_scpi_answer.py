"""Answers of SCPI instruments: cells, strings and blocks, in pieces too; and channels of them."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labmon.device import InstrumentError, Quality, Value
from labmon_drivers.protocols import scpi_answer
from labmon_drivers.protocols.scpi_answer import Answer, Answers, numbers
from labmon_drivers.scpi import Scpi, ScpiChannel

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


@pytest.mark.parametrize("kind", ["tcp", "pty"])
def test_the_supply_answers_its_trace_as_block_and_as_text(bench, kind):
    from labmon_drivers.simulators.scpi import Scpi as SimulatedSupply

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
