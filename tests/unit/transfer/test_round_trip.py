"""What is exported and imported again is what it was, in every format, whatever it was."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labmon.reading import Quality

FORMATS = [
    ("a.csv", {}),
    ("a.csv", {"is_long": True}),
    ("a.csv.gz", {}),
    ("a.jsonl", {}),
    ("a.parquet", {}),
]
START_NS = 1_733_000_000 * 10**9

quick = settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
times = st.integers(0, 2**62)
qualities = st.one_of(st.just(0), st.integers(0, 255))
numbers = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0.0, -0.0, 1, 1.0, 5e-324, 1.7976931348623157e308, 2**53 + 1, 1e22, 0.1]),
)
ODD_WORDS = ["", "null", "1", "1.0", "-5", "+5", "nan", "NaN", "inf", "true", "=1+1", "@x", "'"]
ODD_WORDS += ["''=", "'=x", "\ttab", "\r", "a,b", '"x"', "two\nlines", " x ", "#", "\ud800", "\0"]
words = st.one_of(
    st.text(max_size=12),
    st.sampled_from(ODD_WORDS),
)
json_values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**64 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(st.characters(codec="utf-8"), max_size=8),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), inner, max_size=3),
    ),
    max_leaves=6,
)
nominal = st.one_of(json_values, words, st.floats(allow_nan=False))


def datapoints(values):
    return st.lists(st.tuples(times, values, qualities), min_size=1, max_size=25)


def assert_same_after(stores, name, layout, fill):
    store, other = stores(), stores()
    fill(store)
    job = other.load(store.export(name, **layout), skip_bad=False)
    assert job.problems.lines() == []
    assert other.contents() == store.contents()


@pytest.mark.parametrize(("name", "layout"), FORMATS)
@quick
@given(points=datapoints(numbers))
def test_numbers_come_back_bit_for_bit(stores, name, layout, points):
    assert_same_after(
        stores,
        name,
        layout,
        lambda store: store.fill("gauge/p", points, downsamplers=["mean", "std_dev"], unit="mbar"),
    )


@pytest.mark.parametrize(("name", "layout"), FORMATS)
@quick
@given(points=datapoints(nominal))
def test_words_and_json_come_back(stores, name, layout, points):
    assert_same_after(
        stores, name, layout, lambda store: store.fill("oven/_state", points, "nominal")
    )


@pytest.mark.parametrize(("name", "layout"), FORMATS)
@quick
@given(
    points=datapoints(
        st.one_of(
            st.none(),
            st.decimals(allow_nan=False).map(str),
            st.sampled_from(["1.230", "-1E+5", "123456789012345678901234567890.10"]),
        )
    )
)
def test_decimals_keep_every_digit(stores, name, layout, points):
    assert_same_after(
        stores,
        name,
        layout,
        lambda store: store.fill("ref/clock", points, options={"high_accuracy": True}),
    )


@pytest.mark.parametrize(("name", "layout"), FORMATS)
def test_several_streams_with_names_tags_and_equal_times(stores, name, layout):
    def fill(store):
        tags = {"unit": "mW (rms)", "label": "Léistung, außen", "limits": [0, None], "digits": 3}
        store.fill("zähler/strom 1", [(START_NS, 1), (START_NS, 2), (START_NS + 1, 3)], **tags)
        store.fill("zähler/strom 1 quality", [(START_NS, 5.5, Quality.FAULT)])
        store.fill("-minus/a", [(START_NS, 1.5), (START_NS, None, Quality.NO_SIGNAL)], unit="")
        store.fill("温度/室", [(START_NS + 1, 21.0, Quality.LIMIT | Quality.SIMULATED)], unit="°C")
        store.fill("empty/one", [])

    store, other = stores(), stores()
    fill(store)
    other.load(store.export(name, **layout))
    expected = store.contents()
    del expected["empty/one"]  # a stream without datapoints has nothing that could be imported
    assert other.contents() == expected


@pytest.mark.parametrize(("name", "layout"), FORMATS)
def test_many_blocks_and_a_head_come_back(stores, name, layout):
    store, other = stores(), stores()
    rng = np.random.default_rng(1)
    t = START_NS + np.cumsum(rng.integers(0, 10**9, 30_000))
    v = np.round(rng.standard_normal(30_000) * 1e-5 + 384.2304845, 7)
    v[::1000] = np.nan
    q = np.where(np.isnan(v), Quality.NO_SIGNAL, Quality.OK).astype(np.uint8)
    store.fill_array("wavemeter/ch1", t, v, q, unit="THz")
    store.fill_array("wavemeter/n", t[::3], np.arange(10_000) - 2**62)
    store.fill_array("wavemeter/raw", t[5000:9000], rng.standard_normal(4000))
    other.load(store.export(name, **layout))
    assert other.contents() == store.contents()


def test_a_file_of_the_client_s_csv_layout_is_understood(store, written):
    path = written(
        "web.csv",
        "time,unix_s,wavemeter/ch1 (THz),wavemeter/ch1 quality\n"
        "2026-01-01T00:00:00Z,1767225600.000000000,384.5,\n"
        "2026-01-01T00:00:01Z,1767225601.000000000,384.25,18\n",
    )
    store.load(path, now_ns=2_000_000_000 * 10**9)
    known, points = store.contents()["wavemeter/ch1"]
    assert known["unit"] == "THz"
    assert points == [
        (1767225600 * 10**9, "384.5", 0),
        (1767225601 * 10**9, "384.25", 18),
    ]
