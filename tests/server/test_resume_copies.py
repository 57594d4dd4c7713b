"""A store that went on twice, as a restored backup does: what a cursor of the other one means here.

Both have the node and the number of the start in common, and from the copy on nothing else.
"""

import asyncio
import shutil

import pytest

from labmon.upkeep.backup import back_up


@pytest.fixture
def place(tmp_path):
    return tmp_path / "labmon.db"


async def copy_of(node, place, how):
    """A copy of the store in its present state; it may be made while the node runs."""
    copy = place.with_name("copy.db")
    if how == "backup":
        await asyncio.to_thread(back_up, f"sqlite:///{place}", copy)
    else:
        await node.stop()
        shutil.copy(place, copy)
        await node.start()
    return copy


async def put_in_its_place(node, copy, place):
    await node.stop()
    for file in place.parent.glob(f"{place.name}*"):
        file.unlink()
    copy.rename(place)
    await node.start()


async def publish(node, *values):
    for value in values:
        node.publish(("lab/a", value))
    await node.recorder.flush()


async def told(node, cursor, last):
    """What a client is told from a cursor on, until a last reading of lab/a comes."""
    socket = await node.socket()
    await socket.subscribe("lab/a", after=cursor)
    said = [await socket.receive()]  # whatever it is: from now on it is live
    await publish(node, last)
    while not said[-1].get("readings") or said[-1]["readings"][-1][2] != last:
        said.append(await socket.receive())
    return [each for each in said if each["type"] in {"gap", "lost"} or each.get("readings")]


@pytest.mark.parametrize("how", ["backup", "file"])
@pytest.mark.parametrize("later", [0, 1])
async def test_a_cursor_from_after_a_backup_is_none_of_the_restored_store(
    make_node, place, how, later
):
    """Its starts have the same numbers again, and their readings other ones."""
    node = await make_node(f"sqlite:///{place}")
    await publish(node, 1)
    copy = await copy_of(node, place, how)
    await node.restart()
    await publish(node, 2, 3, 4)
    cursor, epoch = str(node.live.cursor()), node.hub.epoch
    await put_in_its_place(node, copy, place)
    while node.hub.epoch < epoch + later:
        await publish(node, *range(10, 15))
        await node.restart()
    await publish(node, *range(20, 25))
    gap, *readings = await told(node, cursor, -1)
    assert (gap["type"], gap["from"]) == ("gap", None)
    assert [row[2] for each in readings for row in each["readings"]] == [-1]


@pytest.mark.parametrize("later", [0, 2])
async def test_what_came_after_the_backup_in_the_same_start_is_taken_back(make_node, place, later):
    node = await make_node(f"sqlite:///{place}")
    await publish(node, 1)
    copy = await copy_of(node, place, "backup")
    await publish(node, 2, 3)
    cursor = str(node.live.cursor())
    await put_in_its_place(node, copy, place)
    for _ in range(later):
        await publish(node, 10)
        await node.restart()
    lost, *readings = await told(node, cursor, -1)
    assert lost["type"] == "lost"
    (stored,) = (await node.get("/api/v1/data?stream=lab/a&start=-1h&granularity=raw"))["streams"]
    assert lost["streams"] == {"lab/a": stored["t"][0]}
    values = [row[2] for each in readings for row in each["readings"]]
    assert [1, *values] == stored["v"]


async def test_a_store_that_was_put_aside_and_back_knows_its_own_cursors(make_node, place):
    """Meanwhile another one was in its place, whose cursors are none of it."""
    node = await make_node(f"sqlite:///{place}")
    await publish(node, 1)
    own = str(node.live.cursor())
    await node.stop()
    aside = place.rename(place.with_name("aside.db"))
    await node.start()
    await publish(node, 2, 3)
    other = str(node.live.cursor())
    await put_in_its_place(node, aside, place)
    await publish(node, 4)
    assert [row[2] for each in await told(node, own, 5) for row in each["readings"]] == [4, 5]
    gap, *_ = await told(node, other, 6)
    assert (gap["type"], gap["from"]) == ("gap", None)


async def test_a_copy_that_runs_beside_its_original_knows_none_of_its_later_cursors(
    make_node, place
):
    original = await make_node(f"sqlite:///{place}")
    await publish(original, 1)
    before = str(original.live.cursor())
    await original.stop()
    copy = place.with_name("copy.db")
    shutil.copy(place, copy)
    await original.start()
    twin = await make_node(f"sqlite:///{copy}")
    assert (twin.hub.node, twin.hub.epoch) == (original.hub.node, original.hub.epoch)
    await publish(original, 2, 3)
    await publish(twin, 12, 13, 14)
    gap, *_ = await told(twin, str(original.live.cursor()), 15)
    assert (gap["type"], gap["from"]) == ("gap", None)
    for node, values in ((original, [2, 3, 4]), (twin, [12, 13, 14, 15, 4])):
        seen = await told(node, before, 4)
        assert [row[2] for each in seen for row in each["readings"]] == values
