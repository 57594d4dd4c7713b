"""The audit: every command leaves a record, refused or not, and never a huge one."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest


async def test_a_command_leaves_who_where_what_and_the_result(call, records):
    await call("valve.open", {"percent": 30})
    ((path, entry),) = records
    assert path == "valve/_commands"
    assert entry.pop("duration_ms") >= 0
    assert entry == {
        "command": "open",
        "params": {"percent": 30},
        "who": "ann",
        "role": "operator",
        "from": "127.0.0.1",
        "ok": True,
        "result": 30.0,
    }


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("open", {"percent": 200}, -32006),
        ("open", {"percent": "x"}, -32602),
        ("fail", ["offline"], -32002),
        ("fail", ["timeout"], -32003),
    ],
)
async def test_a_refused_command_leaves_the_reason(call, records, method, params, code):
    reply = await call(f"valve.{method}", params)
    ((_, entry),) = records
    assert entry["ok"] is False
    assert entry["params"] == params
    assert entry["error"] == {"code": code, "message": reply["error"]["message"]}
    assert "result" not in entry


async def test_what_only_reads_leaves_a_record_only_where_it_fails(
    call, records, bench, valve, monkeypatch
):
    valve.colour = "red"
    assert (await call("device.get", ["valve", "colour"]))["result"] == "red"
    assert (await call("valve.get_colour"))["result"] == "red"
    assert records == []
    await call("valve.get_colour", ["blue"])
    monkeypatch.setattr(bench.commands["get_colour"], "run", lambda *_: 1 / 0)
    await call("device.get", ["valve", "colour"])
    assert [entry["error"]["code"] for _, entry in records] == [-32602, -32603]


async def test_a_command_that_was_cancelled_leaves_a_record_too(call, bench, records):
    bench.go.clear()
    task = asyncio.create_task(call("valve.open", [5]))
    await bench.begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    ((_, entry),) = records
    assert entry["ok"] is False
    assert entry["error"]["code"] == -32003
    assert "may still happen" in entry["error"]["message"]


async def test_long_values_are_cut(call, records):
    long = "x" * 10_000
    assert (await call("valve.say", [long]))["result"] == long
    ((_, entry),) = records
    assert len(json.dumps(entry)) < 6000
    assert entry["params"].endswith("... (10004 characters)")
    assert entry["result"].startswith('"xxx')


async def test_the_record_is_made_before_the_answer_and_the_line_of_the_log_behind_it(
    call, records, caplog
):
    caplog.set_level(logging.INFO)
    await call("valve.open", [5])
    assert len(records) == 1
    assert not caplog.records
    await asyncio.sleep(0)
    assert len(caplog.records) == 1


@pytest.mark.parametrize("text", ["a\nb", "\x1b[2J", "\ud800", "\u2028", "\x9b2J"])
async def test_one_command_is_one_line_of_the_log(call, caplog, text):
    caplog.set_level(logging.INFO)
    await call("valve.say", [text])
    await asyncio.sleep(0)  # it follows the answer
    (line,) = [each.getMessage() for each in caplog.records if each.name == "labmon.control.audit"]
    assert line.startswith("command valve {")
    assert "\n" not in line
    assert line.isprintable()


@pytest.mark.parametrize("value", [10**30, float("nan"), b"\xff", {1: 2}, [[[[1]]]], None])
async def test_odd_parameters_are_recorded_as_plain_data(call, records, value):
    await call("valve.open", {"percent": value})
    json.dumps(records[0][1], allow_nan=False)
