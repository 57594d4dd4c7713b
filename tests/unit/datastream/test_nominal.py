import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from labmon.datastream.columns import Columns
from labmon.datastream.downsample import coarsen, downsampled_values, roll_up_nominal
from labmon.datastream.nominal import frequency_key, value_of_key
from labmon.reading import Quality

JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(JSON)
def test_every_value_is_counted_by_a_text_that_gives_it_back(value):
    assert value_of_key(frequency_key(value)) == value


def test_words_stand_for_themselves_unless_they_could_be_something_else():
    assert frequency_key("online") == "online"
    assert frequency_key("1") == '"1"'
    assert frequency_key(1) == "1"
    assert frequency_key({"b": 1, "a": "x"}) == '{"a":"x","b":1}'


def test_a_bucket_counts_its_values_and_keeps_the_first_and_the_last():
    columns = Columns.from_values(
        [0, 1, 2, 3, 10, 20],
        ["on", "off", "off", None, None, "on"],
        [0, 0, Quality.LATE, 0, 0, Quality.FAULT | Quality.SIMULATED],
    )
    rollups = roll_up_nominal(columns, 10)
    assert rollups.t.tolist() == [0, 10, 20]
    assert rollups["count"].tolist() == [3, 0, 0]
    assert rollups["bad"].tolist() == [0, 0, 1]
    assert rollups["flags"].tolist() == [Quality.LATE, 0, Quality.SIMULATED]
    assert rollups["first"].tolist() == ["on", None, None]
    assert rollups["last"].tolist() == ["off", None, None]
    assert rollups["frequencies"].tolist() == [{"on": 1, "off": 2}, None, None]
    assert rollups["t_first"].tolist() == [0, 10, 20]
    assert rollups["t_last"].tolist() == [2, 10, 20]


def test_most_and_least_often_take_the_first_of_several():
    rollups = roll_up_nominal(Columns.from_values(range(5), [2, "b", "b", 2, "c"]), 10)
    assert downsampled_values(rollups, "most_often").tolist() == [2]
    assert downsampled_values(rollups, "least_often").tolist() == ["c"]
    assert downsampled_values(rollups, "frequencies").tolist() == [{"2": 2, "b": 2, "c": 1}]


def test_without_frequencies_only_the_count_and_the_ends_are_kept():
    rollups = roll_up_nominal(Columns.from_values([1, 2], ["a", "b"]), 10, frequencies=False)
    assert rollups["frequencies"].tolist() == [None]
    assert rollups["last"].tolist() == ["b"]
    merged = coarsen(rollups, 100)
    assert merged["frequencies"].tolist() == [None]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 500),
            st.sampled_from(["on", "off", None, 1, True]),
            st.sampled_from([0, Quality.FAULT, Quality.LIMIT | Quality.LATE]),
        ),
        min_size=1,
    )
)
def test_rolling_up_twice_gives_what_rolling_up_once_gives(rows):
    times, values, qualities = zip(*sorted(rows, key=lambda row: row[0]), strict=True)
    columns = Columns.from_values(times, values, qualities)
    once = roll_up_nominal(columns, 100)
    twice = coarsen(coarsen(roll_up_nominal(columns, 10), 50), 100)
    for name in once.columns:
        if name != "t_mean":
            assert twice[name].tolist() == once[name].tolist(), name
    assert np.abs(twice["t_mean"] - once["t_mean"]).max() <= 2
