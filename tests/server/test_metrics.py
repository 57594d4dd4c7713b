"""What a Prometheus server scrapes: in its form, and all that is to be counted."""

import asyncio
import math
import re
import shutil
import subprocess

import pytest

from labmon.histogram import Histogram
from labmon.web import exposition

SAMPLE = re.compile(r"([a-z_]+)(?:\{(.*)\})? (\S+)")


async def scraped(node):
    """Samples of an answer by name; a histogram's have their suffixes."""
    found = {}
    for line in (await node.fetch("/metrics")).body.decode().splitlines():
        if match := SAMPLE.fullmatch(line):
            found.setdefault(match[1], []).append((match[2] or "", float(match[3])))
    return found


async def test_promtool_finds_nothing_to_complain_about(node):
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool; script/test installs it with Debian's package prometheus")
    node.publish(("lab/a", 1.5), ("lab/b", math.inf), ("room/Temp. 1", 2), quality=1)
    await node.append({"stream": "lab/d", "value": 1})
    text = (await node.fetch("/metrics")).body
    checked = await asyncio.to_thread(check, promtool, text)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def check(promtool, text):
    return subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, check=False, timeout=30
    )


async def test_commits_clients_queues_and_devices_are_counted(node, eventually):
    socket = await node.socket("labmon.v1.msgpack")
    events = await node.events("stream=lab/*")
    node.publish(("lab/a", 1.5))
    await node.recorder.flush()
    await eventually(lambda: node.datastream.commit_durations.total >= 1)
    found = await scraped(node)
    clients = dict(found["labmon_live_clients"])
    assert clients == {
        'transport="websocket",format="json"': 0,
        'transport="websocket",format="msgpack"': 1,
        'transport="sse",format="sse"': 1,
    }
    commits = found["labmon_commit_duration_seconds_count"][0][1]
    assert commits >= 1
    assert found["labmon_commit_duration_seconds_bucket"][-1] == ('le="+Inf"', commits)
    assert found["labmon_journal_entries"][0][1] >= 1
    for name in (
        "labmon_spool_bytes",
        "labmon_recorder_waiting_readings",
        "labmon_dropped_readings_total",
        "labmon_live_slow_clients_total",
        "labmon_live_queued_bytes",
        "labmon_loop_lag_seconds_count",
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_open_fds",
    ):
        assert len(found[name]) == 1, name
    for key in ("polls", "errors", "missed", "dropped", "reconnects"):
        assert [label for label, _ in found[f"labmon_device_{key}_total"]] == ['device="oven"']
    assert ('stream="lab/a",unit=""', 1.5) in found["labmon_reading"]
    socket.close()
    await events.close()


def test_a_histogram_counts_up_to_each_bound():
    durations = Histogram((0.1, 1.0))
    for duration_s in (0.1, 0.5, 3.0, 0.05):
        durations.note(duration_s)
    assert durations.cumulative() == [(0.1, 2), (1.0, 3)]
    assert (durations.total, durations.sum_s, durations.worst_s) == (4, 3.65, 3.0)
    assert exposition.histogram("x_seconds", "text", durations).splitlines()[2:] == [
        'x_seconds_bucket{le="0.1"} 2',
        'x_seconds_bucket{le="1.0"} 3',
        'x_seconds_bucket{le="+Inf"} 4',
        "x_seconds_sum 3.65",
        "x_seconds_count 4",
    ]


def test_what_labels_say_is_escaped():
    text = exposition.family("x", "gauge", "a\nb", [({"stream": 'a"\\\n'}, math.nan)])
    assert text == '# HELP x a\\nb\n# TYPE x gauge\nx{stream="a\\"\\\\\\n"} NaN\n'
