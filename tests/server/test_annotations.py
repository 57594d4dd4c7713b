"""Annotations over a real server: written by RPC, listed, live for others, kept over a restart."""

import json

PATH = "labmon/_annotations"


async def call(node, method, **params):
    request = {"jsonrpc": "2.0", "id": 1, "method": f"annotation.{method}", "params": params}
    response = await node.fetch("/rpc", "POST", request)
    return json.loads(response.body)["result"]


async def listed(node, query=""):
    found = await node.get(f"/api/v1/annotations{query}")
    assert found["stream"] == PATH
    return [one["text"] for one in found["annotations"]]


async def test_one_that_is_written_is_listed_and_outlives_a_restart(stored):
    now = stored.clock.now_ns() / 1e9
    one = await call(stored, "add", text="Relocked", start=now - 60, streams=["lab/a"])
    await call(stored, "add", text="<b>pump</b> off", start=now - 600, end=now - 300)
    await call(stored, "change", id=one["id"], text="relocked", start=now - 50, streams=["lab/a"])
    assert await listed(stored) == ["<b>pump</b> off", "relocked"]
    await stored.restart()
    assert await listed(stored) == ["<b>pump</b> off", "relocked"]
    assert await listed(stored, "?stream=lab/b") == ["<b>pump</b> off"]
    assert await listed(stored, "?stream=lab/b,lab/a") == ["<b>pump</b> off", "relocked"]
    assert await listed(stored, "?start=-2m") == ["relocked"]
    assert await listed(stored, "?start=-8m&end=-6m") == ["<b>pump</b> off"]
    await call(stored, "remove", id=one["id"])
    assert await listed(stored) == ["<b>pump</b> off"]
    (history,) = (await stored.get(f"/api/v1/data?stream={PATH}&start=-1h"))["streams"]
    assert [value["version"] for value in history["v"]] == [1, 1, 2, 3]


async def test_others_see_it_live_also_those_who_were_away(node):
    found = await node.get("/api/v1/annotations")
    socket = await node.socket()
    await call(node, "add", text="before", start=node.clock.now_ns() / 1e9 - 3600)
    await socket.subscribe(PATH, after=found["cursor"])
    await call(node, "add", text="after")
    seen = []
    while len(seen) < 2:
        message = await socket.receive()
        if message["type"] == "readings":
            seen += [(path, value["text"]) for path, _, value, _ in message["readings"]]
    assert seen == [(PATH, "before"), (PATH, "after")]
    socket.close()


async def test_nobody_writes_one_past_the_rules(node):
    body = [{"stream": PATH, "value": {"text": "forged"}}]
    await node.refused("/api/v1/append", 400, "POST", body)
    assert await listed(node) == []


async def test_a_range_is_checked(node):
    error = await node.refused("/api/v1/annotations?start=soon", 400)
    assert "start" in error["message"]
