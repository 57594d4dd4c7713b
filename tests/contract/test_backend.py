"""What every backend does with rows and bytes."""

import pytest

from labmon.datastream.backends.base import (
    CARRY_ENTRY,
    COMMIT_ENTRY,
    ENTRIES_BYTES,
    BlockKey,
    BlockOutline,
    BlockRow,
    Change,
    EntryKey,
    EntryRow,
    EpochRow,
    StreamRow,
    StreamSize,
)


def entry(number, epoch=1, kind=COMMIT_ENTRY, body=b"entry"):
    return EntryRow(EntryKey(epoch, number), kind, 10 * number, 10 * number + 9, number, body)


def block(ordinal, generation=0, stream=1, granularity="r", times=None, body=b"block"):
    key = BlockKey(stream, granularity, ordinal, generation)
    return BlockRow(BlockOutline(key, ordinal, ordinal + 9, 10, 10, times, len(body)), body)


async def bodies(backend, *keys):
    rows = [EntryRow(EntryKey(*key), COMMIT_ENTRY, 0, 0, 0, b"") for key in keys]
    return [row.body async for row in backend.stream_entries(rows)]


@pytest.fixture
async def backend(store):
    backend = store.backend()
    await backend.open()
    yield backend
    await backend.close()


async def reopened(store, backend):
    await backend.close()
    again = store.backend()
    try:
        return await again.open()
    finally:
        await again.close()


async def test_a_new_store_is_empty(store, backend):
    assert await backend.read_outlines(1, "r") == []
    assert await backend.read_blocks([BlockKey(1, "r", 0, 0)]) == {}
    assert await backend.read_times([b"0" * 16]) == {}
    assert await bodies(backend, (1, 1)) == [b""]
    assert await backend.read_cursors() == {}
    assert await backend.size_bytes() >= 0


async def test_what_was_written_is_there_after_opening_again(store):
    backend = store.backend()
    contents = await backend.open()
    assert (contents.node, contents.epochs, contents.streams) == (None, [], [])
    rows = [StreamRow(1, "one", b"first"), StreamRow(2, "two", b"second")]
    await backend.apply(
        Change(
            node="n1",
            epochs=[EpochRow(1, 5, 0)],
            streams=rows,
            entries=[entry(1), entry(2, kind=CARRY_ENTRY)],
            states={1: b"state"},
            cursors={"a": b"1"},
        )
    )
    await backend.close()
    backend = store.backend()
    contents = await backend.open()
    assert contents.node == "n1"
    assert contents.epochs == [EpochRow(1, 5, 0)]
    assert contents.streams == rows
    assert contents.states == {1: b"state"}
    written = [entry(1), entry(2, kind=CARRY_ENTRY)]
    assert contents.entries == [row._replace(body=b"") for row in written]
    assert [row async for row in backend.stream_entries(contents.entries)] == written
    assert await backend.read_cursors() == {"a": b"1"}
    await backend.close()


async def test_writing_the_same_change_twice_changes_nothing(store, backend):
    change = Change(
        node="n",
        epochs=[EpochRow(1, 5, 0)],
        streams=[StreamRow(1, "one", b"first")],
        entries=[entry(1)],
        times={b"t" * 16: b"times"},
        blocks=[block(0, times=b"t" * 16)],
        states={1: b"state"},
        cursors={"a": b"1"},
        removed_entries=[EntryKey(1, 7)],
        removed_blocks=[BlockKey(1, "r", 99, 0)],
    )
    await backend.apply(change)
    await backend.apply(change)
    assert await backend.read_outlines(1, "r") == [block(0, times=b"t" * 16).outline]
    contents = await reopened(store, backend)
    assert contents.entries == [entry(1, body=b"")]


async def test_rows_are_replaced_by_key(backend):
    await backend.apply(Change(blocks=[block(0, body=b"old")], entries=[entry(1)]))
    await backend.apply(Change(blocks=[block(0, body=b"new!")], entries=[entry(1, body=b"other")]))
    key = BlockKey(1, "r", 0, 0)
    assert await backend.read_blocks([key]) == {key: b"new!"}
    assert [row.outline.size for row in [block(0, body=b"new!")]] == [
        outline.size for outline in await backend.read_outlines(1, "r")
    ]
    assert await bodies(backend, (1, 1)) == [b"other"]


async def test_blocks_come_by_ordinal_and_generation_of_one_granularity(backend):
    rows = [block(20), block(0), block(10, 1), block(10, 0), block(5, granularity="R")]
    await backend.apply(Change(blocks=[*rows, block(0, stream=2), block(0, granularity="s")]))
    found = await backend.read_outlines(1, "r")
    assert [(o.key.ordinal, o.key.generation) for o in found] == [(0, 0), (10, 0), (10, 1), (20, 0)]


async def test_granularities_that_differ_in_case_are_different(backend):
    await backend.apply(
        Change(blocks=[block(0, granularity="s"), block(0, granularity="S", body=b"ten")])
    )
    key = BlockKey(1, "S", 0, 0)
    assert await backend.read_blocks([key]) == {key: b"ten"}


async def test_missing_blocks_are_left_out(backend):
    await backend.apply(Change(blocks=[block(0)]))
    keys = [BlockKey(1, "r", 0, 0), BlockKey(1, "r", 10, 0)]
    assert list(await backend.read_blocks(keys)) == keys[:1]


async def test_entries_come_in_the_order_of_their_keys(store, backend):
    await backend.apply(Change(entries=[entry(3), entry(1), entry(2), entry(1, epoch=2)]))
    keys = [row.key for row in (await reopened(store, backend)).entries]
    assert keys == [EntryKey(1, 1), EntryKey(1, 2), EntryKey(1, 3), EntryKey(2, 1)]


async def test_bodies_of_entries_come_a_few_mib_at_a_time(backend):
    long = [bytes([number]) * (ENTRIES_BYTES // 2) for number in range(6)]
    await backend.apply(
        Change(entries=[entry(number, body=body) for number, body in enumerate(long) if number])
    )
    keys = [(1, number) for number in range(6)]
    some = await backend.read_entries([EntryKey(*key) for key in keys])
    assert some == [b"", *long[1:3]]
    assert await bodies(backend, *keys) == [b"", *long[1:]]


async def test_entries_go_when_they_are_removed(store, backend):
    await backend.apply(Change(entries=[entry(1), entry(2)]))
    await backend.apply(
        Change(
            entries=[entry(3, kind=CARRY_ENTRY)], removed_entries=[EntryKey(1, 1), EntryKey(1, 2)]
        )
    )
    assert [row.key.number for row in (await reopened(store, backend)).entries] == [3]


async def test_cursors_are_found_by_prefix_and_removed_by_none(backend):
    await backend.apply(Change(cursors={"a/1": b"1", "a/2": b"2", "b": b"3"}))
    await backend.apply(Change(cursors={"a/1": None, "nothing": None}))
    assert await backend.read_cursors("a/") == {"a/2": b"2"}


async def test_a_removed_stream_takes_its_blocks_with_it(store, backend):
    await backend.apply(
        Change(
            streams=[StreamRow(1, "one", b""), StreamRow(2, "two", b"")],
            states={1: b"1", 2: b"2"},
            blocks=[block(0), block(0, granularity="s"), block(0, stream=2)],
        )
    )
    await backend.apply(Change(removed_streams=[1]))
    assert await backend.read_outlines(1, "r") == []
    assert await backend.read_outlines(1, "s") == []
    assert len(await backend.read_outlines(2, "r")) == 1
    contents = await reopened(store, backend)
    assert [row.id for row in contents.streams] == ["two"]
    assert contents.states == {2: b"2"}


async def test_a_time_column_stays_while_a_block_refers_to_it(backend):
    address = b"t" * 16
    await backend.apply(
        Change(
            times={address: b"times"},
            blocks=[block(0, times=address), block(0, stream=2, times=address)],
        )
    )
    await backend.apply(Change(removed_blocks=[BlockKey(1, "r", 0, 0)]))
    assert await backend.read_times([address, b"x" * 16]) == {address: b"times"}


async def test_a_large_entry_comes_back_whole(backend):
    body = bytes(range(256)) * 80_000  # 20 MB: more than one document of MongoDB
    await backend.apply(Change(entries=[entry(1, body=body)]))
    await backend.apply(Change(entries=[entry(2)]))
    assert await bodies(backend, (1, 1), (1, 2)) == [body, b"entry"]


async def test_what_streams_take_is_summed_and_time_columns_are_shared_out(backend):
    assert await backend.read_sizes() == {}
    shared, own = b"s" * 16, b"o" * 16
    rows = [
        block(0, stream=1, times=shared, body=b"123"),
        block(0, stream=2, times=shared, body=b"12345"),
        block(10, stream=2, times=own, body=b"1"),
        block(0, stream=2, granularity="m", body=b"1234567"),
        block(0, stream=3, granularity="m", body=b"12"),
    ]
    times = {shared: b"five.", own: b"three.."}
    await backend.apply(Change(blocks=rows, times=times))
    assert await backend.read_sizes() == {
        1: StreamSize(3, 0, 2.5, 10),
        2: StreamSize(6, 7, 9.5, 20),
        3: StreamSize(0, 2, 0.0, 0),
    }
    await backend.apply(Change(removed_blocks=[rows[0].outline.key], removed_streams=[3]))
    assert await backend.read_sizes() == {2: StreamSize(6, 7, 12.0, 20)}
    one = (await backend.read_sizes())[2]
    assert (one.total_bytes, one.bytes_per_datapoint) == (25, 1.25)
    assert StreamSize(0, 2, 0.0, 0).bytes_per_datapoint is None
