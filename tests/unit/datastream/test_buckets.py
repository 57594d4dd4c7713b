import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from labmon.datastream.buckets import (
    bucket_starts,
    first_in_run,
    last_in_run,
    mean_times,
    run_lengths,
)

YEARS_30_NS = 30 * 365 * 86_400 * 10**9
TIMES = st.lists(st.integers(0, 1000), min_size=1).map(sorted)


@given(TIMES, st.integers(1, 2000))
def test_buckets_begin_where_the_floored_time_changes(times, bucket_ns):
    starts_ns, starts = bucket_starts(np.array(times), bucket_ns)
    floored = [t - t % bucket_ns for t in times]
    assert starts_ns.tolist() == sorted(set(floored))
    assert starts.tolist() == [floored.index(start) for start in sorted(set(floored))]
    assert run_lengths(starts, len(times)).tolist() == [
        floored.count(start) for start in sorted(set(floored))
    ]


@given(TIMES, st.data())
def test_the_first_and_last_row_that_is_it_are_found(times, data):
    _, starts = bucket_starts(np.array(times), 100)
    is_it = np.array(data.draw(st.lists(st.booleans(), min_size=len(times), max_size=len(times))))
    is_it[starts] |= ~np.logical_or.reduceat(is_it, starts)
    runs = np.split(np.arange(len(times)), starts[1:])
    assert first_in_run(is_it, starts).tolist() == [run[is_it[run]][0] for run in runs]
    assert last_in_run(is_it, starts).tolist() == [run[is_it[run]][-1] for run in runs]


@given(
    st.lists(
        st.tuples(st.integers(10**18, 10**18 + YEARS_30_NS), st.integers(0, 10**9)), min_size=1
    ),
    st.integers(1, 3),
)
def test_mean_times_are_exact_where_the_sum_overflows(rows, runs):
    starts = np.unique(np.linspace(0, len(rows) - 1, runs).astype(np.intp))
    times, weights = (np.array(column) for column in zip(*rows, strict=True))
    weights[starts] += 1
    expected, plain = [], []
    for run in np.split(np.arange(len(rows)), starts[1:]):
        shares = [int(times[i]) * int(weights[i]) for i in run]
        expected.append(sum(shares) // int(weights[run].sum()))
        plain.append(sum(map(int, times[run])) // len(run))
    assert mean_times(times, starts, weights).tolist() == expected
    assert mean_times(times, starts).tolist() == plain
