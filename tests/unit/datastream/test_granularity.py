import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labmon.datastream.exceptions import UnsupportedGranularity
from labmon.datastream.granularity import Granularity

DAY_NS = 86_400 * 10**9


def test_the_ladder_has_eight_steps_finest_first():
    assert [(g.name, g.key) for g in Granularity.values] == [
        ("Raw", "r"),
        ("Seconds", "s"),
        ("Seconds10", "S"),
        ("Minutes", "m"),
        ("Minutes10", "M"),
        ("Hours", "h"),
        ("Hours6", "H"),
        ("Days", "d"),
    ]


def test_finer_compares_greater():
    assert Granularity.Raw > Granularity.Seconds > Granularity.Days
    assert Granularity.Minutes <= Granularity.Minutes
    assert sorted(Granularity.values, reverse=True) == list(Granularity.values)
    assert max(Granularity.values) is Granularity.Raw


def test_it_does_not_compare_with_anything_else():
    with pytest.raises(TypeError):
        assert Granularity.Raw < 3  # pyright: ignore[reportOperatorIssue]
    assert Granularity.Raw != "r"


@pytest.mark.parametrize("granularity", Granularity.values)
def test_it_is_found_by_name_in_any_case_and_by_key(granularity):
    for word in (granularity.name, granularity.name.lower(), granularity.key, granularity):
        assert Granularity.find(word) is granularity


@pytest.mark.parametrize("word", ["", "x", "second", "RR", None, 1, 1.5, [], b"s"])
def test_another_word_is_an_unsupported_granularity_that_lists_what_there_is(word):
    with pytest.raises(UnsupportedGranularity, match="raw, seconds, seconds10"):
        Granularity.find(word)


def test_neighbours_are_one_step_apart():
    assert Granularity.Seconds10.coarser is Granularity.Minutes
    assert Granularity.Seconds10.finer is Granularity.Seconds
    assert Granularity.Raw.finer is None
    assert Granularity.Days.coarser is None


def test_raw_rounds_nothing():
    assert Granularity.Raw.duration_ns == 0
    assert Granularity.Raw.round_timestamp(1_234_567_891) == 1_234_567_891


@given(st.integers(0, 2**63 - 1), st.sampled_from(Granularity.values[1:]))
def test_times_round_down_to_buckets_aligned_to_utc(time_ns, granularity):
    start = granularity.round_timestamp(time_ns)
    assert start <= time_ns < start + granularity.duration_ns
    assert DAY_NS % granularity.duration_ns == 0
    assert start % granularity.duration_ns == 0
    assert granularity.round_timestamps(np.array([time_ns])).tolist() == [start]


def test_copies_and_pickles_are_the_same_object():
    assert pickle.loads(pickle.dumps(Granularity.Hours)) is Granularity.Hours
    assert copy.deepcopy(Granularity.Hours) is Granularity.Hours
    assert {Granularity.Hours: 1}[Granularity.find("h")] == 1
