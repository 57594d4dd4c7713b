"""What stands in the journal: the list answers as its rows do, and takes little memory."""

import gc
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from labmon.datastream.backends.base import CARRY_ENTRY, COMMIT_ENTRY, EntryKey, EntryRow
from labmon.datastream.entry_list import EntryList

small = st.integers(0, 6)
keys = st.builds(EntryKey, st.integers(1, 3), small)
entries = st.builds(
    EntryRow, keys, st.sampled_from([COMMIT_ENTRY, CARRY_ENTRY]), small, small, small, st.just(b"")
)
written = st.lists(entries, max_size=12, unique_by=lambda row: row.key)


@given(written, st.sets(keys))
def test_it_has_what_was_written_and_not_removed_in_that_order(rows, gone):
    found = EntryList(row._replace(body=b"long") for row in rows)
    assert (len(found), list(found)) == (len(rows), rows)
    found.remove(gone)
    found.extend(rows[:1])
    assert list(found) == [row for row in rows if row.key not in gone] + rows[:1]


@given(written, st.integers(1, 3), small)
def test_behind_a_position_come_the_commits_after_the_last_one_that_is_known(rows, epoch, seq):
    commits = [row for row in rows if row.kind == COMMIT_ENTRY]
    known = [r.key for r in commits if r.key.epoch == epoch and 0 < r.last_seq <= seq]
    after = max([EntryKey(epoch, 0), *known])
    later = sorted(row for row in commits if row.key > after)
    assert EntryList(rows).commits_after(epoch, seq) == later


@given(written, small)
def test_what_is_trimmed_goes_up_to_the_last_old_commit_and_has_what_is_carried(rows, before_ns):
    old = [row.key for row in rows if row.kind == COMMIT_ENTRY and row.time_ns < before_ns]
    gone = [row for row in rows if old and (row.key <= max(old) or row.kind == CARRY_ENTRY)]
    assert EntryList(rows).up_to(before_ns) == gone


def test_a_quarter_of_an_hour_of_commits_takes_little_memory():
    found = EntryList()
    gc.collect()
    tracemalloc.start()
    try:
        for i in range(9000):
            key = EntryKey(1, i + 1)
            found.extend([EntryRow(key, COMMIT_ENTRY, 10**6 * i, 10**6 * i + 99, 10**18 + i, b"")])
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert len(found) == 9000
    assert taken < 60 * len(found)
