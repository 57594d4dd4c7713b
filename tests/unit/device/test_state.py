from __future__ import annotations

import pytest

from labmon.device.state import MOVES, IllegalMoveError, Lifecycle


@pytest.mark.parametrize("before", MOVES)
@pytest.mark.parametrize("after", MOVES)
def test_only_moves_of_the_table_are_made(before, after):
    lifecycle = Lifecycle(before, "why", 1)
    if before == after:
        assert not lifecycle.move(after, "other", 2)
        assert (lifecycle.since_ns, lifecycle.reason) == (1, "other")
    elif after in MOVES[before]:
        assert lifecycle.move(after, "other", 2)
        assert (lifecycle.state, lifecycle.since_ns, lifecycle.reason) == (after, 2, "other")
    else:
        with pytest.raises(IllegalMoveError, match=f"{before} cannot become {after}"):
            lifecycle.move(after, "other", 2)
        assert lifecycle.state == before


def test_every_state_can_be_reached_and_left():
    assert set().union(*MOVES.values()) == set(MOVES)
    assert all(MOVES.values())
