"""Annotations in memory and in their stream: versions, ranges, and what is refused."""

import pytest

from labmon import datastream
from labmon.control.annotations import MAX_STREAMS, MAX_TEXT, PATH, Annotation, Annotations
from labmon.control.audit import Audit
from labmon.control.caller import Caller
from labmon.control.rpc import Rpc
from labmon.datastream.retained import DAY_NS
from labmon.errors import BadRequestError
from labmon.reading import Batch

SECOND_NS = 10**9
NOW = 1_764_244_800
EVER = (0, 2**62)


@pytest.fixture
async def streams():
    options = {"clock": lambda: NOW * SECOND_NS, "uptime_s": lambda: float(NOW)}
    async with datastream.open("memory:", **options) as opened:
        await opened.ensure_stream({"path": PATH}, {}, [], "raw", value_type="nominal")
        yield opened


@pytest.fixture
def make(streams):
    def record(path, time_ns, value):
        streams.append_batch_now(Batch("labmon", time_ns, (path,), (value,), b"\0"))

    return lambda: Annotations(record, streams, lambda: NOW * SECOND_NS)


def texts(annotations, *span):
    return [one.text for one in annotations.between(*(span or EVER))]


async def test_what_is_written_is_there_again_after_a_restart(make):
    written = make()
    one = written.add(" Relocked \n", NOW - 60, None, ["wavemeter/ch1"], "anna")
    two = written.add("pump off", NOW - 3600.25, NOW - 1800, [], "ben")
    gone = written.add("a mistake", None, None, [], "ben")
    moved = written.change(one.id, "relocked", NOW - 90, None, one.streams, "ben")
    written.remove(gone.id, "anna")
    again = make()
    await again.restore()
    assert again.between(*EVER) == written.between(*EVER) == [two, moved]
    assert (moved.who, moved.changed_by, moved.version) == ("anna", "ben", 2)
    assert two.start_ns == (NOW - 3600) * SECOND_NS - SECOND_NS // 4
    with pytest.raises(BadRequestError, match="removed"):
        again.change(gone.id, "x", NOW, None, [], "anna")


async def test_every_version_is_a_reading_at_its_time(make, streams):
    written = make()
    one = written.add("first", NOW - 60, None, [], "anna")
    written.change(one.id, "second", NOW - 120, NOW - 100, ["a/b"], "ben")
    found = await streams.get_data(streams.stream_id(PATH), "raw", start=0)
    points = await found.fetch(slice(None))
    assert [point["t"] for point in points] == [(NOW - s) * SECOND_NS for s in (120, 60)]
    assert points[0]["v"] == {
        "id": one.id,
        "version": 2,
        "text": "second",
        "end": NOW - 100.0,
        "streams": ["a/b"],
        "who": "anna",
        "changed_by": "ben",
        "changed": float(NOW),
        "removed": False,
    }
    assert Annotation.of(points[0]["t"], points[0]["v"]).description()["start"] == NOW - 120.0


async def test_a_range_has_what_reaches_into_it(make):
    written = make()
    written.add("moment", NOW - 50, None, [], "a")
    written.add("span", NOW - 100, NOW - 60, ["a/b"], "a")
    at = [(NOW + s) * SECOND_NS for s in (-80, -70, -50, -49)]
    assert texts(written, at[0], at[1]) == ["span"]
    assert texts(written, at[1], at[2]) == ["span"]
    assert texts(written, at[1], at[3]) == ["span", "moment"]
    assert texts(written, at[3], 2**62) == []
    assert [one.text for one in written.between(*EVER, ["x/y"])] == ["moment"]
    assert [one.text for one in written.between(*EVER, ["x/y", "a/b"])] == ["span", "moment"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"text": "  "}, "text: it has 1 to"),
        ({"text": "x" * (MAX_TEXT + 1)}, "text: it has 1 to"),
        ({"text": "\ud800"}, "surrogate"),
        ({"start": NOW + 3600}, "start: .* is yet to come"),
        ({"end": NOW + 3600}, "end: .* is yet to come"),
        ({"start": -1}, "start: "),
        ({"start": float("nan")}, "start: "),
        ({"end": NOW - 10}, "end: it must be after the start"),
        ({"streams": ["a/b"] * (MAX_STREAMS + 1)}, "streams: at most"),
        ({"streams": ["a\nb"]}, "streams: "),
    ],
)
async def test_what_makes_no_sense_is_refused_with_a_reason(make, given, message):
    written = make()
    with pytest.raises(BadRequestError, match=message):
        written.add(**{"text": "x", "start": NOW - 10, "end": None, "streams": [], **given}, who="")
    assert texts(written) == []


async def test_what_retention_would_lose_is_refused(make, streams):
    written = make()
    for day in range(12):
        written.add(f"day {day}", NOW - day * 86400, None, [], "a")
    engine = streams._engine
    engine.retainer.retention = (datastream.Retention({"raw": "3d", "days": "5d"}, PATH),)
    await streams.commit()
    for _ in range(5):
        await engine.retainer.run()
    floor_ns = streams.describe(streams.stream_id(PATH))["removed_until"]["Raw"]
    assert floor_ns > (NOW * SECOND_NS) - 7 * DAY_NS
    with pytest.raises(BadRequestError, match=r"start: .*retention"):
        written.add("too late", floor_ns / SECOND_NS - 10, None, [], "a")


async def test_what_is_no_annotation_is_left_out(make, streams):
    values = ({"id": "x"}, "word", None, {"end": None})
    for i, value in enumerate(values):
        streams.append_batch_now(Batch("labmon", i, (PATH,), (value,), b"\0"))
    written = make()
    await written.restore()
    assert texts(written) == []


async def test_by_rpc_who_wrote_is_known_and_recorded(make):
    records = []
    rpc = Rpc({}, Audit(lambda *record: records.append(record)), annotations=make())
    anna, guest = Caller("anna", "operator"), Caller("guest", "viewer")

    async def call(caller, method, **params):
        request = {"jsonrpc": "2.0", "id": 1, "method": f"annotation.{method}", "params": params}
        return await rpc.handle(request, caller)

    made = (await call(anna, "add", text="Relocked", start=NOW - 5.0))["result"]
    assert (made["who"], made["start"], made["end"]) == ("anna", NOW - 5.0, None)
    changed = await call(anna, "change", id=made["id"], text="relocked", start=NOW - 6.0)
    assert changed["result"]["version"] == 2
    assert (await call(guest, "remove", id=made["id"]))["error"]["code"] == -32004
    assert "result" in await call(anna, "remove", id=made["id"])
    assert (await call(anna, "remove", id=made["id"]))["error"]["code"] == -32602
    assert {path for path, _ in records} == {"labmon/_commands"}
    told = [(value["command"], value["who"], value["ok"]) for _, value in records]
    assert told == [
        ("annotation.add", "anna", True),
        ("annotation.change", "anna", True),
        ("annotation.remove", "guest", False),
        ("annotation.remove", "anna", True),
        ("annotation.remove", "anna", False),
    ]
    names = [method["name"] for method in rpc.discover()["methods"]]
    assert "annotation.add" in names
