"""Derived streams of a server: in history as soon as they are worked out, and not live."""

from labmon.datastream import Granularity


async def test_a_derived_stream_is_history_and_not_live(node):
    node.publish(("lab/a", 1.0), ("lab/b", 2.0))
    await node.recorder.flush()
    streams = node.datastream
    sources = [streams.stream_id(path) for path in ("lab/a", "lab/b")]
    await streams.ensure_stream(
        {"path": "lab/sum"}, {}, [], Granularity.Raw, derive_from=sources, derive_op="sum"
    )
    socket = await node.socket()
    await socket.subscribe("lab/*", after=str(node.live.cursor()))
    node.publish(("lab/a", 10.0), ("lab/b", 20.0))
    await node.recorder.flush()
    await streams.backprocess_streams({"path": "lab/sum"})
    node.publish(("lab/a", 100.0))
    assert await socket.values(3) == [("lab/a", 10.0), ("lab/b", 20.0), ("lab/a", 100.0)]
    (found,) = (await node.get("/api/v1/data?stream=lab/sum&start=-1h&granularity=raw"))["streams"]
    assert found["v"] == [3.0, 30.0]
    socket.close()
