import contextlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from labmon.datastream.exceptions import StoreLocked
from labmon.datastream.spool import Spool, SpoolFullError
from labmon.datastream.spool_file import Head, SpoolFile, read_record, scan

RECORD = bytes(range(256)) * 4
LIMIT = 80 << 10
"""Files of 10 KiB: ten records."""


@pytest.fixture
def opened(tmp_path):
    """`opened()` opens the spool of one folder again, as after a crash."""
    spools = []

    def open_(limit=LIMIT, free=1 << 40):
        for spool in spools:
            spool.close()
        spools.append(Spool(tmp_path / "spool", limit, lambda _: free))
        spools[-1].open()
        return spools[-1]

    yield open_
    for spool in spools:
        spool.close()


def put(spool, seq, record=RECORD):
    frame = spool.write(Head(len(record), 10, spool.next_number(), 3, seq, seq + 9, seq), record)
    spool.add(frame)
    return frame


def fill(spool):
    for i in range(1000):
        put(spool, i)


def release(spool, count):
    for _ in range(count):
        spool.release()
    spool.tidy()


def seqs(spool):
    return [frame.head.first_seq for frame in spool.frames]


def files(spool):
    return sorted(path.name for path in spool.folder.glob("*.spool"))


def test_records_are_read_in_the_order_in_which_they_were_written(opened):
    spool = opened()
    for i in range(25):
        put(spool, 10 * i, bytes([i]) * (100 + i))
    assert [spool.read(frame) for frame in spool.frames] == [
        bytes([i]) * (100 + i) for i in range(25)
    ]
    assert (spool.readings, len(files(spool))) == (250, 1)


def test_what_was_written_is_found_after_a_crash_and_comes_before_what_is_new(opened):
    spool = opened()
    for i in range(25):
        put(spool, i)
    spool = opened()
    assert seqs(spool) == list(range(25))
    assert spool.readings == 250
    put(spool, 99)
    assert seqs(spool) == [*range(25), 99]
    assert [frame.head.number for frame in spool.frames] == list(range(26))
    assert seqs(opened()) == [*range(25), 99]


def test_files_go_when_all_in_them_is_released(opened):
    spool = opened()
    for i in range(25):
        put(spool, i)
    assert len(files(spool)) == 3
    release(spool, 24)
    assert len(files(spool)) == 1
    release(spool, 1)
    assert files(spool) == []
    assert (spool.size_bytes, spool.readings) == (0, 0)
    put(spool, 7)
    assert seqs(opened()) == [7]


def test_it_stays_under_its_limit(opened):
    spool = opened()
    with pytest.raises(SpoolFullError):
        fill(spool)
    assert spool.size_bytes <= LIMIT + len(RECORD)
    oldest = spool.oldest_file()
    assert [frame.head.first_seq for frame in oldest] == list(range(len(oldest)))
    release(spool, len(oldest))
    put(spool, 5000)


def test_it_leaves_as_much_room_free_as_it_takes(opened):
    spool = opened(free=30 << 10)
    with pytest.raises(SpoolFullError, match="left"):
        fill(spool)
    assert spool.size_bytes <= 22 << 10


@pytest.mark.parametrize("cut", [1, 20, 56, 60, 1079])
def test_a_torn_last_record_is_left_out(opened, cut):
    spool = opened()
    for i in range(3):
        put(spool, i)
    path = spool.frames[0].path
    spool.close()
    path.write_bytes(path.read_bytes()[:-cut])
    spool = opened()
    assert seqs(spool) == [0, 1]
    assert spool.problems == []
    put(spool, 9)
    assert seqs(opened()) == [0, 1, 9]


def test_a_damaged_head_loses_one_record_and_is_reported_and_kept(opened):
    spool = opened()
    for i in range(4):
        put(spool, i)
    frame = spool.frames[1]
    data = bytearray(frame.path.read_bytes())
    data[frame.offset + 9] ^= 1
    frame.path.write_bytes(data)
    spool = opened()
    assert seqs(spool) == [0, 2, 3]
    assert len(spool.problems) == 1
    release(spool, 3)
    assert files(spool) == []
    assert (spool.folder / "aside" / frame.path.name).read_bytes() == data


def test_what_is_no_spool_at_all_is_kept_beside(opened):
    spool = opened()
    (spool.folder / "000000000007.spool").write_bytes(b"LMS1" + b"x" * 5000)
    spool = opened()
    assert not spool.frames
    assert put(spool, 1).head.number == 8
    assert len(spool.problems) == 1
    assert len(list((spool.folder / "aside").iterdir())) == 1


def test_what_is_kept_does_not_replace_what_was_kept_before(opened):
    """The numbers of an empty spool begin anew with each start."""
    kept = []
    for first in (0, 50):
        spool = opened()
        frame = put(spool, first)
        spool.report(frame.path, "it is damaged")
        kept.append(frame.path.read_bytes())
        release(spool, 1)
    aside = opened().folder / "aside"
    assert sorted(path.read_bytes() for path in aside.iterdir()) == sorted(kept)


def test_a_second_process_cannot_have_the_folder(opened):
    spool = opened()
    with pytest.raises(StoreLocked):
        Spool(spool.folder, LIMIT).open()


def test_a_write_that_fails_leaves_what_was_there(opened, monkeypatch):
    spool = opened()
    put(spool, 0)

    def fail(_):
        raise OSError(28, "no space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("labmon.datastream.spool_file.os.fsync", fail)
        with pytest.raises(OSError, match="no space"):
            put(spool, 1)
    put(spool, 2)
    assert len(files(spool)) == 2, "never again into a file that could not be synced"
    spool = opened()
    assert seqs(spool) == [0, 2]
    assert spool.problems == []


def test_a_file_is_scanned_by_its_heads(tmp_path):
    file = SpoolFile(tmp_path / "a")
    heads = [Head(3, 1, i, 1, i, i, i) for i in range(5)]
    frames = file.append([(head, b"abc") for head in heads])
    file.close()
    found = scan(file.path)
    assert found == (frames, False, 0)
    assert [read_record(frame) for frame in found.frames] == [b"abc"] * 5


def open_in(folder):
    """The open files of this process below a folder; others come and go with what runs beside."""
    found = []
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # that of the list itself
            found.append(str(link.readlink()))
    return sorted(name for name in found if name.startswith(str(folder)))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no /proc")
def test_a_file_whose_name_does_not_become_durable_leaves_nothing_open(opened, monkeypatch):
    """It is tried every few seconds, for as long as the disk is as it is."""
    spool = opened()
    before = open_in(spool.folder)

    def fail(_):
        raise OSError(5, "input/output error")

    with monkeypatch.context() as patched:
        patched.setattr("labmon.datastream.spool_file.sync_folder", fail)
        for _ in range(3):
            with pytest.raises(OSError, match="input/output"):
                put(spool, 0)
    assert open_in(spool.folder) == before
    assert files(spool) == []
    put(spool, 1)
    assert seqs(opened()) == [1]


def test_who_closes_while_a_record_is_written_leaves_the_file_to_the_writer(opened, monkeypatch):
    """Its descriptor would soon be that of another file, and the record would go there."""
    spool = opened()
    put(spool, 0)
    closing, real = threading.Event(), os.fsync
    entered = threading.Event()

    def hang(descriptor):
        entered.set()
        assert closing.wait(30)
        real(descriptor)

    monkeypatch.setattr("labmon.datastream.spool_file.os.fsync", hang)
    with ThreadPoolExecutor(1) as pool:
        written = pool.submit(put, spool, 1)
        assert entered.wait(30)
        spool.close()
        closing.set()
        assert written.result().head.first_seq == 1
    assert seqs(opened()) == [0, 1]
