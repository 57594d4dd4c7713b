"""`max_rate` with cursors: what comes thinned stands for each reading once, whatever is cut."""

import pytest


def stands_for(rows):
    return sum(row[6] if len(row) > 4 else 1 for row in rows)


async def rows_until(socket, value):
    rows = []
    while not rows or rows[-1][2] != value:
        rows += (await socket.next("readings"))["readings"]
    return rows


@pytest.mark.parametrize("is_taken", [False, True])
async def test_who_joins_a_thinned_topic_gets_no_reading_a_second_time(node, eventually, is_taken):
    """What waits for those who are in it was told to the newcomer before, or was before it."""
    first = await node.socket()
    await first.subscribe("lab/*", max_rate=5)
    await eventually(lambda: node.live.topics)
    (topic,) = node.live._topics.values()
    node.publish(("lab/a", 0))
    assert stands_for(await rows_until(first, 0)) == 1
    cursor = str(node.live.cursor())
    for value in (1, 2, 3):
        node.publish(("lab/a", value))
    if is_taken:
        # or told already, where the machine stood still for so long
        await eventually(lambda: topic._waiting or topic.position == node.hub.last_seq)
    resumed, new = await node.socket(), await node.socket()
    await resumed.subscribe("lab/*", max_rate=5, after=cursor)
    await new.subscribe("lab/*", max_rate=5)
    await eventually(lambda: all(client.subscriptions for client in node.live.clients))
    node.publish(("lab/a", 4))
    rows = [await rows_until(first, 4)]
    node.publish(("lab/a", 5))
    rows[0] += await rows_until(first, 5)
    rows += [await rows_until(socket, 5) for socket in (resumed, new)]
    assert [stands_for(each) for each in rows] == [5, 5, 2]
    for socket in (first, resumed, new):
        socket.close()
