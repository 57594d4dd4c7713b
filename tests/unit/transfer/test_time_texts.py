"""Times as texts, exact to the nanosecond, whichever way they are read."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labmon.timestamps import MAX_NS, to_iso
from labmon.transfer.cell_matrix import texts
from labmon.transfer.time_texts import (
    EARLIEST_S,
    parse_time,
    parse_times,
    time_cells,
    windows_of,
)

NO_TIMES = ["2026-02-30T00:00:00Z", "2025-02-29T00:00:00Z", "2026-13-01T00:00:00Z"]
NO_TIMES += ["2026-11-22T24:00:00Z", "2026-11-22T08:60:00Z", "2026-11-22T08:00:60Z"]
NO_TIMES += ["2262-12-01T00:00:00Z", "1969-12-31T23:59:59Z", "now", "-6h", "", "yesterday"]
NO_TIMES += ["1733000000.1234567891", "5.25", "-5", "1e9", "12:30"]

times = st.one_of(
    st.integers(0, MAX_NS),
    st.integers(10**9, MAX_NS // 10**9 - 1).map(lambda s: s * 10**9),
    st.integers(10**12, MAX_NS // 10**6 - 1).map(lambda ms: ms * 10**6),
    st.integers(10**15, MAX_NS // 10**3 - 1).map(lambda us: us * 10**3),
)


@given(st.lists(times, min_size=1, max_size=40))
def test_both_forms_give_every_nanosecond_back(t):
    iso, unix = map(texts, time_cells(np.array(t, np.int64)))
    assert [text.decode() for text in iso] == [to_iso(time_ns) for time_ns in t]
    assert [parse_time(text.decode()) for text in iso] == t
    for time_ns, text in zip(t, unix, strict=True):
        if time_ns >= EARLIEST_S * 10**9:
            assert parse_time(text.decode()) == time_ns


@given(st.lists(times, min_size=1, max_size=40))
def test_the_fast_way_gives_what_the_slow_one_gives(t):
    for cells in time_cells(np.array(t, np.int64)):
        found = parse_times(*windows_of([text.decode() for text in texts(cells)])).tolist()
        for fast, time_ns in zip(found, t, strict=True):
            assert fast in (time_ns, -1)  # -1: left to the slow one
            assert fast == time_ns or time_ns < 10**18 or time_ns > MAX_NS - 10**17


@given(
    st.sampled_from(["2026-11-22T08:00:00.123456789Z", "2026-11-22T08:00:00Z", "1764244800.5"]),
    st.integers(0, 29),
    st.sampled_from("09:-TZ. x/é"),
)
def test_a_changed_letter_is_read_alike_or_left_to_the_slow_way(text, place, letter):
    if place >= len(text):
        return
    text = text[:place] + letter + text[place + 1 :]
    (fast,) = parse_times(*windows_of([text])).tolist()
    if fast >= 0:
        assert parse_time(text) == fast


@pytest.mark.parametrize(
    "text",
    NO_TIMES,
)
def test_what_is_no_time_is_refused(text):
    assert parse_times(*windows_of([text])).tolist() == [-1]
    with pytest.raises(ValueError, match=r"time|outside|nanosecond|day|hour|minute|second|month"):
        parse_time(text)


@pytest.mark.parametrize(
    ("text", "time_ns"),
    [
        ("1733000000", 1733000000 * 10**9),
        ("1733000000.000000001", 1733000000 * 10**9 + 1),
        ("1733000000.5", 1733000000 * 10**9 + 5 * 10**8),
        ("1733000000.5000000000", 1733000000 * 10**9 + 5 * 10**8),
        ("2024-11-30 20:53:20", 1733000000 * 10**9),
        ("2024-11-30T21:53:20.25+01:00", 1733000000 * 10**9 + 25 * 10**7),
        ("123456789.25", 123_456_789_250_000_000),
    ],
)
def test_other_ways_to_write_a_time(text, time_ns):
    assert parse_time(text) == time_ns
