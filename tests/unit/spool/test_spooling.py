"""The recorder with a spool on disk, while the store is away, and after a kill."""

import asyncio
from copy import deepcopy

import numpy as np
import pytest

from labmon import spooling
from labmon.datastream.exceptions import StoreUnavailable
from labmon.datastream.spool import Spool
from labmon.reading import ArrayBatch, Batch, Channel
from tests.unit.spool.recording import (
    DISK,
    MEMORY,
    AwayBackend,
    Server,
    expected,
    saved,
    settled,
    until,
)


async def test_what_memory_cannot_hold_waits_on_disk_and_nothing_is_lost(server):
    server.backend.is_away = True
    await server.publish(3, 3000)
    await until(saved(server))
    assert server.recorder.waiting_bytes <= MEMORY
    assert server.store.pending_bytes <= MEMORY
    assert server.spool.readings > 5000
    assert server.recorder.is_filling
    await server.publish(3000, 3010)
    server.backend.is_away = False
    await settled(server)
    assert await server.values() == expected(3010)
    assert await server.values("gauge/b") == expected(3010, -1.0)
    assert server.store.durable_seq == server.hub.last_seq == 2 * 3009
    assert not server.recorder.is_filling
    await server.stop()


async def test_what_fails_in_the_middle_of_a_record_goes_on_there(server, monkeypatch):
    """The datastream has no room for a moment: what it was given already is not given again."""
    monkeypatch.setattr("labmon.recorder.RETRY_S", 0.01)
    server.backend.is_away = True
    await server.publish(3, 1500)
    await until(saved(server))
    append, given = server.store.append_batch, []

    async def fail_once(batch):
        given.append(batch)
        if len(given) == 700:
            raise StoreUnavailable("no room")
        return await append(batch)

    monkeypatch.setattr(server.store, "append_batch", fail_once)
    server.backend.is_away = False
    await settled(server)
    assert len(given) > 700
    assert await server.values() == expected(1500)
    await server.stop()


async def test_what_an_earlier_start_has_written_twice_is_recorded_once(server, monkeypatch):
    """The disk said that it had not taken a record, and had; and the store is slow."""
    server.backend.is_away = True
    await server.publish(3, 200)
    await until(saved(server))
    await server.kill()
    spool = Spool(server.folder, DISK, lambda _: 1 << 40)
    spool.open()
    for frame in list(spool.frames):
        head = frame.head._replace(number=spool.next_number())
        spool.add(spool.write(head, spool.read(frame)))
    spool.close()
    server.backend.is_away = False
    apply = server.backend.apply

    async def slowly(change):
        await asyncio.sleep(0.05)
        await apply(change)

    monkeypatch.setattr(server.backend, "apply", slowly)
    await server.start()
    await settled(server)
    assert await server.values() == expected(200)
    await server.stop()


async def test_a_store_that_is_only_slow_is_caught_up_with_from_disk(server, monkeypatch):
    apply = server.backend.apply

    async def slowly(change):
        await asyncio.sleep(0.02)
        await apply(change)

    monkeypatch.setattr(server.backend, "apply", slowly)
    for first in range(3, 3003, 100):
        await server.publish(first, first + 100)
        await asyncio.sleep(0.002)
    await settled(server)
    assert await server.values() == expected(3003)
    await server.stop()


async def test_what_is_durable_meanwhile_is_kept_no_longer(server, monkeypatch):
    """Readings come as fast as the disk takes them, and the store takes them, too."""
    monkeypatch.setattr(spooling, "RECORD_READINGS", 60)
    loop, write, written = asyncio.get_running_loop(), server.spool.write, []

    async def more():
        server.backend.is_away = False
        first = server.hub.last_seq
        await server.publish(first, first + 40, paced=False)
        await server.recorder.flush()

    def write_slowly(head, record):
        written.append(head)
        if len(written) < 50:
            asyncio.run_coroutine_threadsafe(more(), loop).result(30)
        return write(head, record)

    monkeypatch.setattr(server.spool, "write", write_slowly)
    monkeypatch.setattr(spooling, "SAVE_S", 30)  # not before the datastream has all of it
    server.backend.is_away = True
    await server.publish(3, 33)
    monkeypatch.setattr(spooling, "SAVE_S", 0.01)
    await until(lambda: written)
    await settled(server)
    assert len(written) < 50
    await until(lambda: server.recorder.spooling.has_all)
    await server.stop()


@pytest.mark.parametrize("count", [5, 100, 3000])
@pytest.mark.parametrize("end", ["kill", "stop"])
async def test_who_ends_while_the_store_is_away_finds_all_of_it_at_the_next_start(
    server, count, end, caplog
):
    server.backend.is_away = True
    await server.publish(3, count)
    if end == "kill":
        await until(saved(server))
        await server.kill()
    else:
        await server.stop()
        assert "kept on disk" in caplog.text
    epoch, seq = server.store.epoch, server.hub.last_seq
    server.backend.is_away = False
    server = await Server(server.backend, server.folder).start()
    await server.publish(count, count + 10)
    await server.recorder.caught_up()
    assert await server.store.epoch_end(epoch) == seq, "a client takes nothing back"
    stream = server.store.stream_id("gauge/a")
    assert server.store.newest_at_start(stream) == count - 1, "nor does one that saw more"
    await settled(server)
    assert await server.values() == expected(count + 10)
    assert await server.values("gauge/b") == expected(count + 10, -1.0)
    tail = await server.store.journal_since(epoch, 2)
    assert tail.complete
    told = [(e, b.seq, b.values) for e, b in zip(tail.epochs, tail.batches, strict=True)]
    first = [(epoch, 2 * i - 1, (float(i), -float(i))) for i in range(2, count)]
    then = [
        (epoch + 1, 2 * (i - count) + 1, (float(i), -float(i))) for i in range(count, count + 10)
    ]
    assert told == first + then, "each with the number under which it was shown"
    await server.stop()
    server = await Server(server.backend, server.folder).start()
    assert await server.values() == expected(count + 10)
    assert await server.store.epoch_end(epoch) == seq
    await server.stop()


async def test_killed_again_and_again_while_it_catches_up(server):
    server.backend.is_away = True
    await server.publish(3, 4000)
    await until(saved(server))
    await server.kill()
    last = 4000
    for turns in (0, 1, 2, 3, 5):
        server.backend.is_away = False
        server = await Server(server.backend, server.folder).start()
        await server.publish(last, last + 20)
        last += 20
        for _ in range(10 * turns):
            await asyncio.sleep(0)
        server.backend.is_away = True
        await until(saved(server))
        await server.kill()
    server.backend.is_away = False
    server = await Server(server.backend, server.folder).start()
    await settled(server)
    assert await server.values() == expected(last)
    await server.stop()


async def test_what_landed_without_an_answer_is_not_there_twice(server):
    server.backend.is_mute = True  # each change lands, and nobody hears of it
    await server.publish(3, 500)
    await until(saved(server))
    await server.kill()
    server.backend.is_mute = False
    server = await Server(server.backend, server.folder).start()
    await settled(server)
    assert await server.values() == expected(500)
    server.backend.is_mute = True
    await server.publish(500, 600)
    await until(saved(server))
    server.backend.is_mute = False
    await settled(server)
    assert await server.values() == expected(600)
    await server.stop()


async def test_an_entry_that_lands_long_after_the_kill_changes_nothing(server):
    """A stopped MongoDB may still carry out what a killed labmon has asked of it."""
    server.backend.is_away = True
    await server.publish(3, 200)
    await until(saved(server))
    late = [waiting.change for waiting in server.store._engine.journal._queue]
    assert late
    await server.kill()
    server.backend.is_away = False
    server = await Server(server.backend, server.folder).start()
    await server.publish(200, 210)
    await settled(server)
    for change in late:
        await server.backend.apply(change)
    await server.kill()
    server = await Server(server.backend, server.folder).start()
    assert await server.values() == expected(210)
    tail = await server.store.journal_since(1, 0)
    assert [b.values[0] for b in tail.batches] == expected(210), "told once, too"
    await server.stop()


async def test_where_the_disk_has_no_more_room_the_oldest_go_and_leave_a_gap(server, caplog):
    await server.stop()
    server = await Server(server.backend, server.folder, disk=48 << 10).start()
    server.backend.is_away = True
    await server.publish(3, 5_003)
    await until(lambda: server.recorder.dropped_readings and saved(server)())
    assert server.spool.size_bytes < 60 << 10
    server.backend.is_away = False
    await server.recorder.flush()
    found = await server.values()
    (gap,) = [at for at, value in enumerate(found) if value != value]
    assert found[:gap] == expected(gap + 1)
    assert found[-1] == 5_002.0
    assert found[gap + 1 :] == [float(i) for i in range(5_003 - len(found) + gap + 1, 5_003)]
    assert server.recorder.dropped_readings == 2 * (5_002 - len(found) + 1)
    await server.stop()


async def test_a_new_stream_is_what_it_was_declared_to_be_after_a_kill(server):
    server.backend.is_away = True
    mbar = Channel(unit="mbar", digits=3)
    await server.recorder.declare("new", {"p": mbar, "word": Channel(kind="nominal")})
    server.hub.publish(Batch("new", 5, ("new/p", "new/word"), (None, None), bytes(2)))
    server.hub.publish(Batch("new", 6, ("new/p", "new/other"), (1.5, "x"), bytes(2)))
    await until(lambda: server.spool.readings >= 4)
    await server.kill()
    server.backend.is_away = False
    server = await Server(server.backend, server.folder).start()
    await settled(server)
    describe = server.store.describe
    assert describe(server.store.stream_id("new/p"))["unit"] == "mbar"
    assert describe(server.store.stream_id("new/word"))["value_type"] == "nominal"
    assert describe(server.store.stream_id("new/other"))["value_type"] == "nominal"
    await server.recorder.declare("new", {"p": mbar})
    assert server.recorder.refused == {}
    await server.stop()


async def test_arrays_go_to_disk_whole_and_come_back(server):
    server.backend.is_away = True
    t = np.arange(1000, dtype=np.int64)
    for i in range(8):
        values = t + 1000.0 * i
        server.hub.publish(ArrayBatch("adc", ("adc/x",), t + 1000 * i, values))
        await until(lambda: server.recorder.waiting_bytes < MEMORY // 2)
    await until(saved(server))
    await server.kill()
    server.backend.is_away = False
    server = await Server(server.backend, server.folder).start()
    await settled(server)
    assert await server.values("adc/x") == np.arange(8000.0).tolist()
    tail = await server.store.journal_since(1, 4)
    assert [len(batch) for batch in tail.batches] == [1000] * 8
    await server.stop()


async def test_a_damaged_record_is_left_out_reported_and_kept(server):
    server.backend.is_away = True
    for first in range(3, 43, 10):
        await server.publish(first, first + 10)
        await until(saved(server))
    frame = server.spool.frames[1]
    await server.kill()
    data = bytearray(frame.path.read_bytes())
    data[frame.offset + 200] ^= 1
    frame.path.write_bytes(data)
    server.backend.is_away = False
    server = await Server(server.backend, server.folder).start()
    await server.recorder.flush()
    kept = server.folder / "aside" / frame.path.name
    await until(kept.exists)
    lost = frame.head.readings
    assert server.recorder.dropped_readings == lost
    assert len(await server.values()) == 42 - lost / 2
    assert len(server.spool.problems) == 1
    assert kept.read_bytes() == data
    await server.stop()


async def test_the_spool_of_another_store_is_not_mixed_in(server):
    server.backend.is_away = True
    await server.publish(3, 100)
    await until(saved(server))
    await server.kill()
    other = await Server(AwayBackend(), server.folder).start()
    await other.publish(1, 5)
    await other.recorder.caught_up()
    await other.recorder.flush()
    assert await other.values() == expected(5)
    assert "another store" in other.spool.problems[0]
    assert len(list((server.folder / "aside").iterdir())) == 1
    await other.stop()


async def test_what_waited_for_the_original_is_not_mixed_into_a_restored_copy(server):
    """Both have the node, and starts with the same numbers, whose readings are different ones."""
    await server.stop()
    copy = deepcopy(server.backend)
    original = await Server(server.backend, server.folder).start()
    original.backend.is_away = True
    await original.publish(50, 60)
    await until(saved(original))
    await original.kill()
    elsewhere = await Server(copy, server.folder.with_name("elsewhere")).start()
    await elsewhere.publish(3, 5)
    await elsewhere.stop()
    restored = await Server(copy, server.folder).start()
    assert restored.store.node == original.store.node
    assert restored.store.epoch == original.store.epoch + 1
    await restored.recorder.caught_up()
    await restored.recorder.flush()
    assert await restored.values() == expected(5)
    (problem,) = restored.spool.problems
    assert "another store, or of a copy" in problem
    assert len(list((server.folder / "aside").iterdir())) == 1
    await restored.stop()


async def test_what_waited_since_a_backup_in_the_same_start_is_recorded(server):
    """A backup is made while the server runs; what came after it is in nobody's store else."""
    copy = deepcopy(server.backend)
    server.backend.is_away = True
    await server.publish(3, 20)
    await until(saved(server))
    await server.kill()
    restored = await Server(copy, server.folder).start()
    await settled(restored)
    assert await restored.values() == expected(20)
    await restored.stop()


async def test_a_file_of_another_store_is_said_once(server):
    server.backend.is_away = True
    for first in range(3, 43, 10):
        await server.publish(first, first + 10)
        await until(saved(server))
    assert len({frame.path for frame in server.spool.frames}) < len(server.spool.frames)
    await server.kill()
    other = await Server(AwayBackend(), server.folder).start()
    await other.recorder.caught_up()
    kept = list((server.folder / "aside").iterdir())
    assert len(other.spool.problems) == len(kept)
    await other.stop()


async def test_a_folder_that_is_gone_at_the_end_hides_nothing(server, monkeypatch, caplog):
    """What is lost is said and counted, and the files are let go."""
    server.backend.is_away = True
    await server.publish(3, 20)
    await until(saved(server))

    async def fail():
        raise FileNotFoundError(2, "No such file or directory", str(server.folder))

    monkeypatch.setattr(server.recorder.spooling, "save_all", fail)
    await server.stop()
    assert "not all that waits is kept on disk" in caplog.text
    assert "are kept on disk for the next start" in caplog.text
    server.backend.is_away = False
    await (await Server(server.backend, server.folder).start()).stop()
