"""Streams over /api/v1: descriptors, their tags, and the newest readings."""

import time
from urllib.parse import quote

import msgpack
import pytest

from labmon.reading import Quality


async def test_streams_are_listed_with_what_is_known_of_them(node):
    node.publish(("lab/a", 1.5), ("lab/b", 2))
    await node.recorder.flush()
    streams = (await node.get("/api/v1/streams?path=lab/*"))["streams"]
    assert [stream["path"] for stream in streams] == ["lab/a", "lab/b"]
    first = streams[0]
    assert first["latest_value"] == 1.5
    assert first["quality_words"] == ["ok"]
    assert first["count"] == 1
    assert first["value_type"] == "numeric"
    assert first["granularities"][0] == "raw"
    assert first["granularities"][-1] == "days"
    assert first["device"] == "lab"
    assert abs(first["latest"] - time.time()) < 60
    oven = (await node.get("/api/v1/streams?path=oven/temperature"))["streams"][0]
    assert oven["unit"] == "C"
    assert oven["digits"] == 1
    assert oven["period_s"] == 0.05
    assert oven["latest"] is None


async def test_streams_are_filtered_by_tags(node):
    node.publish(("lab/a", 1.5))
    await node.recorder.flush()

    async def found(query):
        return [s["path"] for s in (await node.get(f"/api/v1/streams?{query}"))["streams"]]

    assert await found("tag.unit=C") == ["oven/temperature"]
    assert await found("tag.device=o*&tag.unit=C") == ["oven/temperature"]
    assert await found("tag.unit=K") == []
    assert await found("tag.nothing=*") == []


async def test_one_stream_by_path_and_by_id(node):
    by_path = await node.get("/api/v1/streams/oven/temperature")
    assert by_path == await node.get(f"/api/v1/streams/{by_path['id']}")
    error = await node.refused("/api/v1/streams/oven/nothing", 404)
    assert "oven/nothing" in error["message"]


async def test_a_name_may_be_asked_for_as_another_keyboard_writes_it(node):
    written, kept = "Bu\u0308ro/Tu\u0308r", "Büro/Tür"
    assert (await node.append({"stream": written, "value": "open"}))[0] == 200
    asked = quote(written)
    assert (await node.get(f"/api/v1/streams/{asked}"))["path"] == kept
    assert [r["path"] for r in (await node.get(f"/api/v1/latest?path={asked}"))["readings"]] == [
        kept
    ]
    answer = await node.get(f"/api/v1/data?stream={asked}&start=-1m")
    assert answer["streams"][0]["v"] == ["open"]
    error = await node.refused(f"/api/v1/data?stream={asked}&granularity=minutes", 400)
    assert "never downsampled" in error["message"]


async def test_a_stream_of_another_program_without_a_unit_has_an_empty_one(node):
    await node.datastream.ensure_stream({"path": "lab/x"}, {}, [], "raw")
    assert (await node.get("/api/v1/streams/lab/x"))["unit"] == ""


async def test_tags_are_changed_and_taken_away(node):
    path = "/api/v1/streams/oven/temperature"
    response = await node.fetch(path, "PATCH", {"tags": {"room": "B 12", "digits": 3}})
    assert response.code == 200
    described = await node.get(path)
    assert described["tags"]["room"] == "B 12"
    assert described["digits"] == 3
    await node.fetch(path, "PATCH", {"tags": {"room": None}})
    assert "room" not in (await node.get(path))["tags"]
    for body in ({"tags": {"path": "x"}}, {"tags": {"stream_id": "x"}}, {"tags": []}, [], {}):
        assert (await node.refused(path, 400, "PATCH", body))["code"] == "bad_request"


@pytest.mark.parametrize(
    ("tag", "value", "allowed"),
    [
        ("digits", "x", "a whole number from 0 to 20"),
        ("digits", 101, "a whole number from 0 to 20"),
        ("scientific", "no", "true or false"),
        ("label", ["<b>"], "text"),
        ("description", 7, "text"),
        ("unit", {"a": 1}, "text"),
        ("accuracy", 0, "a number over 0"),
        ("limits", [1], "[low, high], numbers or null"),
        ("limits", "abc", "[low, high], numbers or null"),
        ("period_s", -1, "a number of seconds over 0"),
        ("period_s", True, "a number of seconds over 0"),
        ("period_s", 1e300, "a number of seconds over 0"),
    ],
)
async def test_tags_that_pages_rely_on_are_what_they_must_be(node, tag, value, allowed):
    path = "/api/v1/streams/oven/temperature"
    before = (await node.get(path))["tags"]
    error = await node.refused(path, 400, "PATCH", {"tags": {"room": "B 12", tag: value}})
    assert f"the tag {tag} is {allowed}" in error["message"]
    assert (await node.get(path))["tags"] == before


@pytest.mark.parametrize("wrong", [{"count": 5}, {"unit": "K"}, {"unit": None}])
async def test_tags_are_changed_all_or_none(node, wrong):
    path = "/api/v1/streams/lab/a"
    await node.append({"stream": "lab/a", "value": 1})
    await node.fetch(path, "PATCH", {"tags": {"room": "B 12"}})
    before = (await node.get(path))["tags"]
    body = {"tags": {"room": None, "floor": 2, **wrong}}
    assert (await node.fetch(path, "PATCH", body)).code in {400, 409}
    assert (await node.get(path))["tags"] == before


async def test_tags_that_are_no_plain_data_are_refused(node):
    for tags in ({"room": b"bytes"}, {"room": {b"bytes": 1}}):
        body = msgpack.packb({"tags": tags})
        path, headers = "/api/v1/streams/oven/temperature", {"Content-Type": "application/msgpack"}
        await node.refused(path, 400, "PATCH", body, headers=headers)


async def test_latest_has_age_quality_and_a_cursor(node):
    node.publish(("lab/a", 1.5), quality=Quality.OVER_RANGE | Quality.SIMULATED)
    node.publish(("lab/state", {"on": True}))
    await node.recorder.flush()
    answer = await node.get("/api/v1/latest?path=lab/*")
    first, second = answer["readings"]
    assert first["path"] == "lab/a"
    assert first["value"] == 1.5
    assert first["quality_words"] == ["over_range", "simulated"]
    assert 0 <= first["age_s"] < 60
    assert second["value"] == {"on": True}
    assert answer["cursor"].startswith(node.hub.start_id)


async def test_hidden_streams_are_listed_only_when_named(node):
    node.publish(("lab/a", 1.0), ("lab/_state", "online"))
    await node.recorder.flush()

    async def paths(glob):
        return [r["path"] for r in (await node.get(f"/api/v1/latest?path={glob}"))["readings"]]

    assert await paths("**") == ["lab/a"]
    assert await paths("*/_state") == ["lab/_state"]


async def test_msgpack_in_and_out(node):
    body = msgpack.packb([{"stream": "lab/a", "value": 2**60, "time": node.clock.now_ns()}])
    response = await node.fetch(
        "/api/v1/append", "POST", body, headers={"Content-Type": "application/msgpack"}
    )
    assert response.code == 200
    response = await node.fetch(
        "/api/v1/latest?path=lab/a", headers={"Accept": "application/msgpack"}
    )
    assert response.headers["Content-Type"] == "application/msgpack"
    reading = msgpack.unpackb(response.body)["readings"][0]
    assert reading["value"] == 2**60
    assert isinstance(reading["t"], int)
    response = await node.fetch("/nowhere", headers={"Accept": "application/msgpack"})
    assert msgpack.unpackb(response.body)["error"]["code"] == "not_found"
