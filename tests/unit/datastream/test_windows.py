import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labmon.datastream.windows import moving_moments, needed_from

ROWS = st.lists(
    st.tuples(st.integers(0, 500), st.integers(-1000, 1000).map(lambda n: n / 8)),
    min_size=1,
    max_size=150,
).map(lambda rows: sorted(rows, key=lambda row: row[0]))
WINDOWS = st.sampled_from([1, 2, 7, 50, 400, 10_000])


def arrays(rows):
    t, x = zip(*rows, strict=True)
    return np.array(t), np.array(x)


@given(ROWS, WINDOWS)
def test_every_window_has_the_moments_of_what_lies_in_it(rows, window_ns):
    t, x = arrays(rows)
    moments = moving_moments(t, x, window_ns)
    for i, end in enumerate(t):
        inside = x[: i + 1][t[: i + 1] > end - window_ns]
        assert moments.counts[i] == len(inside)
        assert moments.mean[i] == pytest.approx(inside.mean(), abs=1e-10)
        assert moments.m2[i] == pytest.approx(inside.var() * len(inside), abs=1e-6)


@given(ROWS, WINDOWS, st.integers(1, 40))
def test_the_same_bits_come_out_however_the_data_is_cut(rows, window_ns, size):
    t, x = arrays(rows)
    whole = np.array(moving_moments(t, x, window_ns))
    tail_t, tail_x = t[:0], x[:0]
    parts = []
    for at in range(0, len(t), size):
        known_t = np.concatenate((tail_t, t[at : at + size]))
        known_x = np.concatenate((tail_x, x[at : at + size]))
        parts.append(np.array(moving_moments(known_t, known_x, window_ns, len(tail_t))))
        kept = needed_from(known_t, window_ns)
        tail_t, tail_x = known_t[kept:], known_x[kept:]
        assert (tail_t > t[min(at + size, len(t)) - 1] - 2 * window_ns - 1).all()
    assert np.concatenate(parts, axis=1).tobytes() == whole.tobytes()


def test_a_small_scatter_on_a_large_number_is_kept():
    t = np.arange(100_000) * 10**8
    x = 632.991234 + np.resize([8.8e-7, -8.8e-7], len(t))
    moments = moving_moments(t, x, 60 * 10**9)
    deviations = np.sqrt(moments.m2 / moments.counts)[600:]
    np.testing.assert_allclose(deviations, 8.8e-7, rtol=1e-6)


def test_a_mode_hop_leaves_nothing_behind_once_it_is_out_of_the_window():
    t = np.arange(1000) * 10**8
    x = np.where(np.arange(1000) < 300, 1e6, 0.0) + np.resize([1e-3, -1e-3], 1000)
    moments = moving_moments(t, x, 10**9)
    deviations = np.sqrt(moments.m2 / moments.counts)[310:]
    np.testing.assert_allclose(deviations, 1e-3, rtol=1e-9)
