"""Every operator against a slow and obvious one, and in any spans against all at once."""

import json
import math
import warnings

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from labmon.datastream.columns import Columns
from labmon.datastream.exceptions import (
    IncompatibleTypes,
    InvalidOperatorArguments,
    InvalidValueWarning,
    UnsupportedDeriveOperator,
)
from labmon.datastream.operators import OPERATORS, dump_state, find_operator, load_state
from labmon.reading import Quality

S = 10**9
NUMBERS = st.one_of(
    st.integers(-50, 50),
    st.integers(-500, 500).map(lambda n: n / 7),
    st.sampled_from([None, math.inf, 0, 1e-9, 1e12]),
)
DATAPOINTS = st.lists(
    st.tuples(
        st.integers(0, 60).map(lambda n: n * S // 2),
        NUMBERS,
        st.sampled_from([0, 0, 0, Quality.LIMIT, Quality.FAULT | Quality.LATE]),
    ),
    max_size=50,
).map(lambda rows: sorted(rows, key=lambda row: row[0]))
HOLD = {"align": {"hold_s": 3}}
CASES = [
    ("sum", {}, 1),
    ("sum", {}, 3),
    ("sum", HOLD, 2),
    ("product", {}, 2),
    ("difference", {}, 2),
    ("difference", HOLD, 2),
    ("ratio", {}, 2),
    ("scale", {"a": 2.5, "b": -1}, 1),
    ("derivative", {}, 1),
    ("counter_reset", {}, 1),
    ("moving_average", {"window_s": 4}, 1),
    ("moving_std", {"window_s": 4}, 1),
    ("moving_std", {"window_s": 0.25}, 1),
    ("threshold", {"level": 3}, 1),
    ("threshold", {"level": 3, "hysteresis": 20}, 1),
]


def columns_of(rows):
    if not rows:
        return Columns.empty()
    return Columns.from_values(*zip(*rows, strict=True))


def series(times_s, values, qualities=None):
    return Columns.from_values([round(t * S) for t in times_s], values, qualities)


def datapoints(columns):
    return list(
        zip(
            columns.t.tolist(),
            columns.python_values(),
            columns.qualities().tolist(),
            strict=True,
        )
    )


def derive(operator, *sources):
    """All at once; datapoints that have no value are left out quietly."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InvalidValueWarning)
        return operator.advance(operator.start(), sources)[1]


def derive_in_spans(operator, sources, bounds):
    """Span by span, the state being written as JSON and read again in between."""
    state = operator.start()
    parts = []
    for start, end in zip([0, *bounds], [*bounds, 10**18], strict=True):
        state = load_state(json.loads(json.dumps(dump_state(state))))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InvalidValueWarning)
            state, part = operator.advance(state, [s.between(start, end) for s in sources])
        parts.append(part)
    return Columns.concatenate(parts)


BOUNDS = st.lists(st.integers(0, 31 * S), max_size=8).map(sorted)


@pytest.mark.parametrize(("name", "arguments", "count"), CASES)
@given(data=st.data())
def test_it_does_not_matter_how_the_data_is_cut(name, arguments, count, data):
    sources = [columns_of(data.draw(DATAPOINTS)) for _ in range(count)]
    operator = find_operator(name, arguments, [None] * count)
    at_once = derive(operator, *sources)
    in_spans = derive_in_spans(operator, sources, data.draw(BOUNDS))
    assert list(map(repr, datapoints(in_spans))) == list(map(repr, datapoints(at_once)))


@given(DATAPOINTS, BOUNDS, st.sampled_from([None, 100.0]), st.sampled_from([0, S // 4]))
@example([(S, 5, 0), (2 * S, 1, 0), (3 * S, 2, 0)], [2 * S - 1], None, S // 4)
def test_it_does_not_matter_how_a_counter_is_cut(rows, bounds, max_value, apart_ns):
    """Also where resets are told by somebody else, in between the counter's own times."""
    counter = columns_of(rows)
    resets = derive(find_operator("counter_reset"), counter)
    resets = Columns(resets.t - apart_ns, resets.v)
    arguments = {"max_value": max_value} if max_value else {}
    operator = find_operator("counter_derivative", arguments, ["reset", None])
    at_once = derive(operator, resets, counter)
    in_spans = derive_in_spans(operator, [resets, counter], bounds)
    assert datapoints(in_spans) == datapoints(at_once)


def test_ten_sources_sum_up_to_the_same_bits_alone_and_together():
    rng = np.random.default_rng(1)
    t = np.arange(100) * S
    sources = [Columns(t, rng.normal(0, 1, 100)) for _ in range(10)]
    operator = find_operator("sum", {}, [None] * 10)
    in_spans = derive_in_spans(operator, sources, [n * S for n in range(1, 100)])
    assert in_spans.v.tobytes() == derive(operator, *sources).v.tobytes()


def is_usable(value, quality):
    return (
        value is not None
        and math.isfinite(value)
        and quality & Quality.CODE_MASK in (Quality.OK, Quality.LIMIT)
    )


def without_repeated_gaps(rows):
    kept, in_gap = [], True
    for t, value in rows:
        if value is not None or not in_gap:
            kept.append((t, value))
        in_gap = value is None
    return kept


def slow_derivative(rows):
    found, before = [], None
    for t, value, quality in rows:
        if not is_usable(value, quality):
            found.append((t, None))
            before = None
            continue
        if before is not None and t > before[0]:
            found.append((t, (value - before[1]) / ((t - before[0]) / S)))
        before = (t, value)
    return without_repeated_gaps(found)


def slow_moving(rows, statistic):
    found, window = [], []
    for t, value, quality in rows:
        if not is_usable(value, quality):
            found.append((t, None))
            continue
        window = [(u, x) for u, x in [*window, (t, value)] if u > t - 4 * S]
        found.append((t, statistic([x for _, x in window])))
    return without_repeated_gaps(found)


def slow_side_by_side(sources, combine):
    lasts = [{t: (value, quality) for t, value, quality in rows} for rows in sources]
    found = []
    for t in sorted(set.intersection(*map(set, lasts))):
        values = [last[t] for last in lasts]
        if all(is_usable(*value) for value in values):
            result = combine(*(value for value, _ in values))
            if result is not None:
                found.append((t, result))
        else:
            found.append((t, None))
    return without_repeated_gaps(found)


def assert_equal(columns, expected):
    assert columns.t.tolist() == [t for t, _ in expected]
    for found, (_, right) in zip(columns.python_values(), expected, strict=True):
        assert found == (right if right is None else pytest.approx(right, rel=1e-12, abs=1e-3))


@given(DATAPOINTS)
def test_derivative_is_the_change_per_second(rows):
    assert_equal(derive(find_operator("derivative"), columns_of(rows)), slow_derivative(rows))


@given(DATAPOINTS)
def test_moving_statistics_are_those_of_the_window(rows):
    for name, statistic in (("moving_average", np.mean), ("moving_std", np.std)):
        operator = find_operator(name, {"window_s": 4})
        assert_equal(derive(operator, columns_of(rows)), slow_moving(rows, statistic))


@given(DATAPOINTS, DATAPOINTS)
def test_sources_meet_at_the_times_that_they_share(one, other):
    combined = {
        "sum": lambda a, b: a + b,
        "product": lambda a, b: a * b,
        "difference": lambda a, b: a - b,
        "ratio": lambda a, b: a / b if b else None,
    }
    for name, combine in combined.items():
        operator = find_operator(name, {}, [None, None])
        derived = derive(operator, columns_of(one), columns_of(other))
        assert_equal(derived, slow_side_by_side([one, other], combine))


def test_a_held_value_is_used_until_it_is_too_old():
    fast = series([0, 1, 2, 3, 4, 5, 6, 7], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0])
    slow = series([0.5, 5.5], [100.0, 200.0])
    derived = derive(find_operator("sum", {"align": {"hold_s": 2.5}}, [None, None]), fast, slow)
    assert [(t / S, value) for t, value, _ in datapoints(derived)] == [
        (0.5, 101.0),
        (1.0, 102.0),
        (2.0, 103.0),
        (3.0, 104.0),
        (4.0, None),  # once, however long it lasts
        (5.5, 206.0),
        (6.0, 207.0),
        (7.0, 208.0),
    ]


def test_sources_that_never_meet_give_nothing_and_ask_to_be_held():
    operator = find_operator("sum", {}, [None, None])
    assert len(derive(operator, series([1], [1.0]), series([2], [1.0]))) == 0
    assert operator.needs_shared_times
    assert not find_operator("sum", HOLD, [None, None]).needs_shared_times
    assert not find_operator("sum").needs_shared_times
    assert not find_operator("derivative").needs_shared_times


def test_a_gap_is_one_null_and_never_stops_a_stream():
    source = series([0, 1, 2, 3, 4, 5], [None, 1.0, None, None, 2.0, 4.0])
    for operator, expected in (
        (find_operator("sum"), [(1, 1.0), (2, None), (4, 2.0), (5, 4.0)]),
        (find_operator("derivative"), [(5, 2.0)]),
        (
            find_operator("moving_average", {"window_s": 9}),
            [(1, 1), (2, None), (4, 1.5), (5, 7 / 3)],
        ),
    ):
        assert_equal(derive(operator, source), [(t * S, value) for t, value in expected])


def test_a_gap_between_derivatives_is_a_gap_of_the_derivative():
    source = series([0, 1, 2, 3, 4], [1.0, 2.0, None, 5.0, 7.0])
    derived = datapoints(derive(find_operator("derivative"), source))
    assert [(t // S, value) for t, value, _ in derived] == [(1, 1.0), (2, None), (4, 2.0)]


def test_two_values_at_one_time_have_no_derivative_but_a_warning():
    operator = find_operator("derivative")
    with pytest.warns(InvalidValueWarning, match="derivative has no value for 1 datapoints"):
        _, derived = operator.advance({}, [series([0, 1, 1, 2], [0.0, 1.0, 5.0, 6.0])])
    assert derived.python_values() == [1.0, 1.0]


def test_a_ratio_to_zero_is_left_out_with_a_warning():
    operator = find_operator("ratio", {}, [None, None])
    with pytest.warns(InvalidValueWarning):
        _, derived = operator.advance(
            {}, [series([0, 1, 2], [1.0, 0.0, 3.0]), series([0, 1, 2], [2.0, 0.0, 0.0])]
        )
    assert derived.python_values() == [0.5]


def test_a_sum_beyond_the_floats_is_left_out_with_a_warning():
    with pytest.warns(InvalidValueWarning):
        _, derived = find_operator("scale", {"a": 10}).advance({}, [series([0], [1e308])])
    assert len(derived) == 0


def test_a_counter_that_starts_anew_is_marked_also_across_a_gap():
    counter = series([0, 1, 2, 3, 4, 5], [5, 7, 1, None, 0, 3])
    resets = derive(find_operator("counter_reset"), counter)
    assert datapoints(resets) == [(2 * S, 1, 0), (4 * S, 1, 0)]
    assert OPERATORS["counter_reset"].output == "nominal"


def test_a_reset_counter_begins_anew_or_wraps_around():
    counter = series([0, 1, 2, 4], [5, 7, 1, 5])
    resets = derive(find_operator("counter_reset"), counter)
    plain = find_operator("counter_derivative", {}, [None, "reset"])
    assert [v for _, v, _ in datapoints(derive(plain, counter, resets))] == [2.0, 2.0]
    wrapping = find_operator("counter_derivative", {"max_value": 10}, ["reset", None])
    found = [v for _, v, _ in datapoints(derive(wrapping, resets, counter))]
    assert found == [2.0, 10 - 7 + 1, 2.0]


def test_thresholds_tell_changes_only_and_stay_within_their_hysteresis():
    source = series(range(9), [1.0, 6.0, 4.0, 5.0, 2.0, 4.0, None, 4.0, 9.0])
    operator = find_operator("threshold", {"level": 5, "hysteresis": 2})
    found = [(t // S, word) for t, word, _ in datapoints(derive(operator, source))]
    assert found == [
        (0, "below"),
        (1, "above"),
        (4, "below"),
        (6, None),
        (7, "below"),
        (8, "above"),
    ]
    assert operator.output == "nominal"


def test_qualities_travel_along():
    one = series([0, 1, 2], [1.0, 2.0, 3.0], [Quality.SIMULATED, Quality.FAULT, Quality.LIMIT])
    other = series([0, 1, 2], [1.0, 2.0, 3.0], [Quality.LATE, Quality.LATE, 0])
    derived = derive(find_operator("sum", {}, [None, None]), one, other)
    assert datapoints(derived) == [
        (0, 2.0, Quality.SIMULATED | Quality.LATE),
        (S, None, Quality.FAULT | Quality.LATE),
        (2 * S, 6.0, Quality.LIMIT),
    ]


def test_the_operators_are_those_of_the_specification():
    assert set(OPERATORS) == {
        "sum",
        "derivative",
        "counter_reset",
        "counter_derivative",
        "difference",
        "ratio",
        "product",
        "scale",
        "moving_average",
        "moving_std",
        "threshold",
    }
    with pytest.raises(UnsupportedDeriveOperator, match="counter_derivative"):
        find_operator("integral")


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("scale", {}, "needs the argument 'a'"),
        ("scale", {"a": "2"}, "is a number"),
        ("scale", {"a": True}, "is a number"),
        ("scale", {"a": math.nan}, "is a number"),
        ("scale", {"a": 1, "c": 2}, "no argument 'c': it takes a, b"),
        ("derivative", {"dt": 1}, "it takes none"),
        ("moving_average", {"window_s": 0}, "more than 0"),
        ("moving_std", {"window_s": 1e12}, "less than"),
        ("threshold", {"level": 1, "hysteresis": -1}, "at least 0"),
        ("sum", {"align": 3}, "hold_s"),
        ("sum", {"align": {"hold_s": 0}}, "more than 0"),
        ("sum", {"align": {"hold_s": 1, "x": 2}}, "hold_s"),
    ],
)
def test_arguments_that_make_no_sense_are_refused_with_what_is_allowed(name, arguments, message):
    with pytest.raises(InvalidOperatorArguments, match=message):
        find_operator(name, arguments)


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("difference", [None]),
        ("ratio", [None] * 3),
        ("derivative", [None, None]),
        ("sum", []),
        ("sum", ["a", None]),
        ("counter_derivative", [None, None]),
        ("counter_derivative", ["reset"]),
        ("counter_derivative", ["reset", "reset"]),
    ],
)
def test_sources_that_make_no_sense_are_refused(name, names):
    with pytest.raises(InvalidOperatorArguments):
        find_operator(name, {}, names)


def test_types_of_the_sources_are_checked():
    find_operator("sum", {}, [None, None]).check_types(["numeric", "numeric"])
    find_operator("counter_derivative", {}, ["reset", None]).check_types(["nominal", "numeric"])
    with pytest.raises(IncompatibleTypes, match="nominal"):
        find_operator("sum").check_types(["nominal"])
    with pytest.raises(IncompatibleTypes, match="counter_reset"):
        find_operator("counter_derivative", {}, ["reset", None]).check_types(["numeric"] * 2)
    with pytest.raises(IncompatibleTypes):
        find_operator("counter_derivative", {}, ["reset", None]).check_types(["nominal"] * 2)
