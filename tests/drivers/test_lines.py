"""Lines of text: split, bounded, parsed as a whole or not at all."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labmon.errors import InstrumentError
from labmon_drivers.protocols.lines import (
    LineSplitter,
    column_parser,
    parse_json,
    parse_pairs,
    pattern_parser,
)

TEXTS = st.text(max_size=200)


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("temperature=21.4 humidity=40", {"temperature": "21.4", "humidity": "40"}),
        ("p=2.31E-09[mbar] status=ok", {"p": "2.31E-09", "status": "ok"}),
        ("T: 21.4 °C, RH: 40 %", {"T": "21.4", "RH": "40"}),
        ("a=-1;b=+.5;c=3.", {"a": "-1", "b": "+.5", "c": "3."}),
        ('state="pumping down" n=1', {"state": "pumping down", "n": "1"}),
        ("flow=12.5l/min", {"flow": "12.5"}),
        ("x=nan y=-inf z=---", {"x": "nan", "y": "-inf", "z": "---"}),
        ("bme280.temp = 3", {"bme280.temp": "3"}),
        ("", {}),
    ],
)
def test_values_with_names(line, values):
    assert parse_pairs(line) == values


@pytest.mark.parametrize(
    "line",
    [
        "a=1.5a=1.51",  # two lines ran together
        "chamber=2.3chamber=2.31E-09",
        "a=1 a=2",
        "a=1.2.3",
        "a==1",
        "=1",
        "a=1 0x7f",
        "a=12\x00",
        "a=1e",
        "�chamber=1�",
    ],
)
def test_a_damaged_line_gives_no_value_at_all(line):
    with pytest.raises(InstrumentError):
        parse_pairs(line)


@given(TEXTS)
def test_whatever_is_printed_raises_nothing_but_instrument_error(text):
    for parse in (
        parse_pairs,
        parse_json,
        column_parser(["a", "", "b"], ","),
        pattern_parser(r"T=(?P<t>\S+)"),
    ):
        try:
            assert isinstance(parse(text), dict)
        except InstrumentError:
            continue


@given(st.dictionaries(st.from_regex(r"[a-z]\w{0,8}", fullmatch=True), st.floats(allow_nan=False)))
def test_what_is_written_as_pairs_is_read_as_pairs(values):
    line = " ".join(
        f"{name}={value!r}[V]" for name, value in values.items() if math.isfinite(value)
    )
    read = {name: float(text) for name, text in parse_pairs(line).items()}
    assert read == {name: value for name, value in values.items() if math.isfinite(value)}


def test_columns_are_counted():
    parse = column_parser(["time", "", "t"], ",")
    assert parse('12, x, "3.5"') == {"time": "12", "t": "3.5"}
    assert column_parser(["a", "b"], " ")(" 1 \t 2 ") == {"a": "1", "b": "2"}
    with pytest.raises(InstrumentError, match="2 columns, not 3"):
        parse("1,2")
    with pytest.raises(ValueError, match="columns"):
        column_parser([""], ",")


def test_json_is_flattened():
    assert parse_json('{"t": 1, "bme": {"rh": [4, 5]}}') == {"t": 1, "bme.rh.0": 4, "bme.rh.1": 5}
    for bad in ("[1]", "{", '{"a": ' * 20 + "1" + "}" * 20, "[" * 100_000):
        with pytest.raises(InstrumentError):
            parse_json(bad)


def test_patterns_take_groups_or_names_and_values():
    assert pattern_parser(r"T=(?P<t>\d+)( U=(?P<u>\d+))?")("> T=5") == {"t": "5"}
    assert pattern_parser(r"(?P<name>\w)=(?P<value>\d)")("a=1 b=2") == {"a": "1", "b": "2"}
    with pytest.raises(InstrumentError, match="does not match"):
        pattern_parser(r"T=(?P<t>\d+)")("nothing")
    for wrong in (r"T=(", r"T=(\d+)"):
        with pytest.raises(ValueError, match="pattern"):
            pattern_parser(wrong)


@given(
    st.lists(st.binary(max_size=30).map(lambda b: b.replace(b"\n", b"")), max_size=20), st.data()
)
def test_lines_are_the_same_however_the_bytes_are_cut(lines, data):
    stream = b"".join(line + b"\n" for line in lines)
    splitter, found = LineSplitter(b"\n"), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += splitter.feed(stream[:size])
        stream = stream[size:]
    assert found == lines


@given(st.lists(st.binary(max_size=400)), st.sampled_from([b"\n", b"\r\n", b";FF"]))
def test_the_buffer_is_bounded_and_a_good_line_comes_through(chunks, end):
    splitter = LineSplitter(end, max_bytes=50)
    for chunk in chunks:
        assert all(len(line) <= 50 for line in splitter.feed(chunk))
        assert len(splitter._rest) <= 50
    splitter.feed(b"." + end)
    assert splitter.feed(b"good" + end) == [b"good"]


def test_a_line_that_is_too_long_is_dropped_and_counted():
    splitter = LineSplitter(b"\n", max_bytes=10)
    assert splitter.feed(b"x" * 100) == []
    assert splitter.feed(b"x" * 100 + b"\ngood\n") == [b"good"]
    assert splitter.feed(b"y" * 11 + b"\ngood\n") == [b"good"]
    assert splitter.dropped == 2


def test_the_line_under_way_can_be_skipped():
    splitter = LineSplitter(b"\n")
    splitter.skip_to_end()
    assert splitter.feed(b"3.5\na=4\n") == [b"a=4"]
