from labmon.web.wire import seconds


async def test_sse_has_its_headers_and_its_events(node):
    sse = await node.events("stream=lab/*&stream=other/x")
    assert sse.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert sse.headers["cache-control"] == "no-cache, no-transform"
    assert sse.headers["x-accel-buffering"] == "no"
    assert sse.headers["x-content-type-options"] == "nosniff"
    batch = node.publish(("lab/a", 1.5), ("other/b", 2.0))
    event = await sse.next("readings")
    assert event["data"]["readings"] == [["lab/a", seconds(batch.time_ns), 1.5, 0]]
    assert set(event["data"]) == {"t", "readings"}
    assert event["id"]
    assert sse.retry == "2000"
    await sse.close()


async def test_text_cannot_forge_an_event(node):
    sse = await node.events("stream=lab/*")
    node.publish(("lab/a", "x\n\nevent: evil\rdata: y\r\n"))
    event = await sse.event()
    assert event["event"] == "readings"
    assert event["data"]["readings"][0][2] == "x\n\nevent: evil\rdata: y\r\n"
    await sse.close()


async def test_sse_is_commented_on_and_quiet_topics_get_new_cursors(make_node):
    node = await make_node(limits={"comment_s": 0.05, "stall_s": 0.2})
    sse = await node.events("stream=lab/*")
    first = await sse.line_with(b"id: ")
    node.publish(("other/b", 1.0))
    await sse.line_with(b": ")
    while (await sse.line_with(b"id: ")).split(b".")[2] == first.split(b".")[2]:
        pass
    await sse.close()


async def test_gone_sse_clients_are_noticed(node, eventually):
    sse = await node.events("stream=lab/*")
    await eventually(lambda: node.live.clients)
    await sse.close()
    await eventually(lambda: not node.live.clients and not node.live.topics)
