"""The text of every value, and back."""

import csv
import io
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labmon.transfer import cells
from labmon.transfer.csv_writer import title_line


@given(st.text())
def test_every_word_is_read_as_itself(word):
    assert cells.value_of(cells.text_of(word)) == word


@given(st.text())
def test_a_word_stays_in_its_line(word):
    assert cells.text_of(word).isprintable()


@given(st.one_of(st.floats(allow_nan=False), st.integers(-(2**63), 2**64), st.booleans()))
def test_every_number_is_read_as_itself(value):
    found = cells.value_of(cells.text_of(value))
    assert repr(found) == repr(value)


@pytest.mark.parametrize("text", ["=1+1", "+1 bar", "-a", "@SUM(A1)", "'=1", "'", "''"])
def test_a_formula_is_disarmed_and_restored(text):
    cell = cells.text_of(text)
    assert cell[0] not in "=+-@"
    assert cells.value_of(cell) == text


def test_an_apostrophe_of_another_program_is_left_alone():
    assert cells.value_of("'tis") == "'tis"


@pytest.mark.parametrize(
    ("cell", "value"),
    [("1", 1), ("1.0", 1.0), ("-0.0", -0.0), ("1e3", 1000.0), (" 5 ", 5), ("-inf", -math.inf)],
)
def test_an_integer_is_what_is_written_as_one(cell, value):
    assert repr(cells.number_of(cell)) == repr(value)


@pytest.mark.parametrize("cell", ["", "null", "NaN", "None", "n/a"])
def test_what_other_programs_write_for_nothing_is_null(cell):
    assert cells.number_of(cell) is None


@pytest.mark.parametrize("cell", ["1,5", "12 mV", "abc", "0x1f", "--1", "1_000"])
def test_what_is_no_number_is_refused_with_what_would_be_one(cell):
    with pytest.raises(ValueError, match="is no number: use"):
        cells.number_of(cell)


def test_an_integer_beyond_64_bits_is_refused():
    with pytest.raises(ValueError, match="64 bits"):
        cells.number_of(str(2**63))


def test_every_quality_has_a_text():
    assert [cells.quality_of(cells.quality_text(q)) for q in range(256)] == list(range(256))
    assert cells.quality_text(0) == ""
    assert cells.quality_text(0x12) == "over_range simulated"


def test_an_unknown_quality_lists_what_there_is():
    with pytest.raises(ValueError, match="no_signal"):
        cells.quality_of("perfect")
    with pytest.raises(ValueError, match="one byte"):
        cells.quality_of("256")


@given(st.lists(st.text(), min_size=1, max_size=5))
def test_what_is_quoted_is_read_by_python_s_csv(texts):
    (row,) = csv.reader(io.StringIO(title_line(list(map(cells.text_of, texts))).decode()))
    assert [cells.value_of(cells.unguarded(cell)) for cell in row] == texts
