"""Lines that are made of matrices of bytes are those that are made of texts, one by one."""

import json
import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from labmon.datastream.columns import Columns
from labmon.timestamps import to_iso
from labmon.transfer import cell_matrix, csv_writer, jsonl_writer
from labmon.transfer.cells import number_of, quality_text
from labmon.transfer.description import Description
from labmon.transfer.snapshot import Piece

CELLS = st.lists(st.text("abc09.-", max_size=7).map(str.encode), min_size=1, max_size=9)
ROW = st.tuples(st.integers(0, 2**62), st.integers(0, 255))
FLOATS = st.one_of(st.floats(), st.sampled_from([1e16, 1e-5, -0.0, 5e-324, math.inf, 2.0**63]))


def matrix(cells):
    return cell_matrix.table(cells)


@given(CELLS, CELLS)
def test_lines_are_the_same_from_matrices_and_from_lists(first, second):
    rows = min(len(first), len(second))
    first, second = first[:rows], second[:rows]
    expected = b"".join(b"<%b,%b>\n" % pair for pair in zip(first, second, strict=True))
    for a, b in ((matrix(first), second), (first, second), (matrix(first), matrix(second))):
        assert cell_matrix.joined([b"<", a, b",", b, b">\n"], rows) == expected


@given(CELLS)
def test_cells_come_apart_at_commas(cells):
    assert cell_matrix.texts(cell_matrix.split(b",".join(cells))) == cells


def test_long_columns_are_joined_in_portions(monkeypatch):
    monkeypatch.setattr(cell_matrix, "_PORTION", 50)
    cells = [str(i).encode() for i in range(1000)]
    assert cell_matrix.texts(matrix(cells)) == cells


def piece(rows, v, valid=None):
    t = np.array([t for t, _ in rows], np.int64)
    q = np.array([q for _, q in rows], np.uint8)
    return Piece(Description("a/b"), 0, t, Columns(t, v, valid, q), {})


def assert_written(rows, values, part):
    lines = jsonl_writer.lines(part, ()).splitlines()
    table = csv_writer.long_lines(part, ()).decode().splitlines()
    for (t, q), value, line, row in zip(rows, values, lines, table, strict=True):
        wanted = {"time": to_iso(t), "path": "a/b", "value": value}
        if q:
            wanted["quality"] = quality_text(q)
        if isinstance(value, float) and math.isinf(value):
            wanted |= {"value": None, "infinite": 1 if value > 0 else -1}
        assert repr(json.loads(line)) == repr(wanted)
        *times, path, cell, words = row.split(",")
        assert times == [to_iso(t), f"{t // 10**9}.{t % 10**9:09}"]
        assert (path, repr(number_of(cell)), words) == ("a/b", repr(value), quality_text(q))


@given(st.lists(st.tuples(ROW, FLOATS), min_size=1, max_size=30))
def test_floats_are_written_with_all_their_digits(points):
    rows, values = zip(*points, strict=True)
    nulls = [None if math.isnan(value) else value for value in values]
    assert_written(rows, nulls, piece(rows, np.array(values)))


@given(st.lists(st.tuples(ROW, st.integers(-(2**63), 2**63 - 1), st.booleans()), min_size=1))
def test_integers_are_written_with_all_their_digits(points):
    rows, values, valid = zip(*points, strict=True)
    nulls = [value if is_valid else None for value, is_valid in zip(values, valid, strict=True)]
    assert_written(rows, nulls, piece(rows, np.array(values), np.array(valid)))
