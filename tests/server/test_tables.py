"""Curves side by side in one table: complete, in order, and made in small pieces."""

import csv
import io
import json
from collections import Counter

import numpy as np
import pytest

from labmon.web.curves import Curve, with_gaps
from labmon.web.tables import CELLS, CSV_CELLS, LEAST_ROWS, Table, csv_pieces, record_pieces

SECOND = 10**9


def curve(name, times, values):
    return Curve(name, "", "raw", 0, np.array(times, np.int64), {"v": values})


@pytest.fixture
def wide():
    """Forty curves, each with times of its own, some equal, and some of the others'."""
    rng = np.random.default_rng(4)
    made = []
    for number in range(40):
        times = np.sort(rng.choice(3000, 500)) * SECOND
        made.append(curve(f"lab/ch{number:02d}", times, rng.normal(size=500)))
    return made


def test_every_value_stands_in_the_row_of_its_time(wide):
    expected = {
        one.path: list(zip(one.time_ns / 1e6, one.columns["v"], strict=True)) for one in wide
    }
    records = json.loads(b"".join(record_pieces(Table.of(wide))))
    found = {
        path: [(record["time"], record[path]) for record in records if path in record]
        for path in expected
    }
    assert found == expected
    assert [record["time"] for record in records] == sorted(record["time"] for record in records)
    most = Counter()
    for one in wide:
        most |= Counter(one.time_ns.tolist())
    assert len(records) == most.total()
    rows = list(csv.reader(io.StringIO(b"".join(csv_pieces(Table.of(wide))).decode())))
    assert rows[0] == ["time", "unix_s", *expected]
    assert len(rows) == 1 + len(records)
    for column, path in enumerate(expected, 2):
        cells = [(float(row[1]) * 1e3, float(row[column])) for row in rows[1:] if row[column]]
        assert np.array(cells) == pytest.approx(np.array(expected[path]))


def test_a_wide_table_is_made_in_pieces_of_few_cells(wide):
    """Else one piece of a hundred columns holds up everybody for a quarter of a second."""
    table = Table.of(wide)
    lines = [piece.count(b"\n") for piece in csv_pieces(table)]
    assert max(lines) * len(wide) <= CSV_CELLS
    records = [piece.count(b'"time"') for piece in record_pieces(table)]
    assert max(records) * len(wide) <= CELLS
    one_wide = [piece.count(b"\n") for piece in csv_pieces(Table.of(wide[:1] * 1000))]
    assert max(one_wide) == LEAST_ROWS


def test_a_table_of_nothing_has_its_titles():
    empty = curve("lab/a", [], np.empty(0))
    assert b"".join(csv_pieces(Table.of([]))) == b"time,unix_s\r\n"
    assert b"".join(csv_pieces(Table.of([empty]))) == b"time,unix_s,lab/a\r\n"
    assert json.loads(b"".join(record_pieces(Table.of([empty])))) == []


def test_a_list_of_words_gets_a_null_in_each_gap():
    times = np.array([0, 1, 2, 60, 61, 120]) * SECOND
    words = curve("lab/state", times, ["a", {"b": 1}, ["c"], "d", None, "e"])
    marked = with_gaps(words, 1.0)
    assert marked.columns["v"] == ["a", {"b": 1}, ["c"], None, "d", None, None, "e"]
    assert (marked.time_ns // SECOND).tolist() == [0, 1, 2, 3, 60, 61, 62, 120]
