"""What is checked waits on disk, comes back as it was, and leaves nothing behind."""

import os
import resource
import time
from contextlib import contextmanager

import numpy as np
import pytest

from labmon.errors import StorageFullError
from labmon.transfer import files
from labmon.transfer.importing import Importer, Rules
from labmon.transfer.readers import open_reader
from labmon.transfer.rows import Wanted
from labmon.transfer.stash import Checked, Stash

ODD = [None, 1, -(2**63), 2**64 - 1, 0.1, -0.0, "", "\ud800", "\0", True, {"a": [1, "ö"]}, 1.0]


def checked(v, quality=None, is_late=False):
    t = np.arange(len(v), dtype=np.int64) + 2**62
    return Checked("a/b", t, v, quality, is_late)


def odd_values():
    column = np.empty(len(ODD), object)
    column[:] = ODD
    return column


def test_what_went_in_comes_out_bit_for_bit(tmp_path):
    nan = np.array([0x7FF8000000000123, 0x8000000000000000], np.uint64).view(np.float64)
    given = [
        *(
            checked(nan),
            checked(np.array([-(2**63), 2**63 - 1])),
            checked(odd_values(), is_late=True),
        ),
        checked(np.array([1.5]), np.array([0x14], np.uint8)),
    ]
    with Stash(tmp_path) as stash:
        for one in given:
            stash.put(one)
        found = list(stash.take())
        assert stash.at == stash.size > 0
    for one, other in zip(given, found, strict=True):
        assert (one.path, one.is_late) == (other.path, other.is_late)
        assert one.t.tobytes() == other.t.tobytes()
        assert one.v.dtype == other.v.dtype
        assert one.v.dtype == object or one.v.tobytes() == other.v.tobytes()
        assert repr(one.v.tolist()) == repr(other.v.tolist())
        assert one.quality is other.quality is None or one.quality == other.quality


@pytest.mark.skipif(os.name == "nt", reason="a file that is open has a name there")
def test_its_file_has_no_name_that_could_stay_behind(tmp_path):
    with Stash(tmp_path) as stash:
        stash.put(checked(np.zeros(100_000)))
        assert list(tmp_path.iterdir()) == []
        assert next(iter(stash.take())).v.tolist() == [0] * 100_000


@contextmanager
def small_files():
    """No file gets larger than a megabyte within: writing more fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_without_room_nothing_is_imported_and_it_is_said_where(tmp_path, store, written):
    rows = "".join(f"{1_700_000_000 + i},{i}.5\n" for i in range(100_000))
    path = written("a.csv", "time,a/b\n" + rows)

    with (
        small_files(),
        pytest.raises(StorageFullError, match=r"kept there, 16 bytes for each datapoint") as told,
    ):
        store.load(path)
    assert str(told.value).startswith(f"{tmp_path}: ")
    assert store.contents() == {}


def test_files_are_read_once(store, written):
    path = written("a.jsonl", '{"time":"2026-01-01T00:00:00Z","path":"a/b","value":1.5}\n')
    told = []

    async def work(opened):
        wanted = Wanted()
        readers = [(path.name, open_reader(path, files.format_of(path), wanted))]
        job = Importer(opened, readers, wanted, Rules(), time.time_ns())
        with Stash() as stash:
            await job.check(stash)
            path.unlink()
            return await job.append(stash, lambda *moved: told.append(moved))

    assert store.do(work).rows == 1
    assert store.points("a/b") == [(1767225600 * 10**9, "1.5", 0)]
    assert told[-1][0] == told[-1][1] > 0
