"""Cells of CSV answers, read back by Python's own reader."""

import csv
import io

import numpy as np
import pytest

from labmon.timestamps import parse, to_iso
from labmon.web.csv_cells import line_of, lines_of

START_NS = 1_700_000_000 * 10**9


def read(lines):
    return list(csv.reader(io.StringIO(lines.decode(), newline="")))


def column(values):
    """The cells of one column that has a value on every line."""
    places = np.arange(len(values))
    return [row[2] for row in read(lines_of(START_NS + places, [(places, values)]))]


@pytest.mark.parametrize(
    "values",
    [
        np.array([384.2278115, -0.0, 1e-12, 1e300, 5e-324, 0.1 + 0.2]),
        np.array([2**62 + 1, -(2**63), 0, 7]),
        np.arange(256, dtype=np.uint8),
        np.array([1.5, 2.25], np.float32),
    ],
)
def test_numbers_are_exact(values):
    kind = float if values.dtype.kind == "f" else int
    assert [kind(cell) for cell in column(values)] == values.tolist()


def test_what_is_no_number_is_an_empty_cell():
    assert column(np.array([1.5, np.nan, np.inf, -np.inf, 2.5])) == ["1.5", "", "", "", "2.5"]
    assert column([None, float("nan"), 3]) == ["", "", "3"]


def test_texts_are_quoted_and_no_formulas():
    texts = ["=HYPERLINK(1)", 'a,"b"\r\n', "", "µ", "@x", True, {"a": [1]}]
    assert column(texts) == ["'=HYPERLINK(1)", 'a,"b"\r\n', "", "µ", "'@x", "true", '{"a":[1]}']


def test_a_column_may_be_anywhere_or_nowhere():
    times = START_NS + np.arange(4) * 500_000_000
    columns = [
        (np.array([-1, 1, -1, 0]), np.array([1.5, 22.5])),
        (np.full(4, -1), np.array([1.5])),
        (np.array([0, -1, -1, -1]), ["word"]),
    ]
    rows = read(lines_of(times, columns))
    assert [row[2:] for row in rows] == [
        ["", "", "word"],
        ["22.5", "", ""],
        ["", "", ""],
        ["1.5", "", ""],
    ]


def test_times_are_exact_in_both_columns():
    times = np.array([START_NS, START_NS + 1, START_NS + 1_500_000, 4_102_444_800 * 10**9 + 7])
    for row, time_ns in zip(read(lines_of(times, [])), times.tolist(), strict=True):
        assert row[0] == to_iso(time_ns)
        assert parse(row[0], 0) == time_ns
        seconds, fraction = row[1].split(".")
        assert int(seconds) * 10**9 + int(fraction) == time_ns


def test_a_title_with_a_comma_is_one_title():
    assert read(line_of(["time", "a, b (K)"])) == [["time", "a, b (K)"]]
