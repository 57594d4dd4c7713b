"""`metrics`: the server's own counters and the newest readings, in Prometheus' text format."""

from __future__ import annotations

import asyncio
import math
import sys
from typing import TYPE_CHECKING, ClassVar, Final

import psutil

from labmon import __version__
from labmon.datastream.granularity import Granularity
from labmon.reading import Quality
from labmon.timestamps import SECOND_NS
from labmon.web import store_files
from labmon.web.descriptors import newest
from labmon.web.exposition import CONTENT_TYPE, family, histogram, one, pieces
from labmon.web.handler import ApiHandler
from labmon.web.operation import Operation
from labmon.web.pushed import is_number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from labmon.config import Config
    from labmon.datastream.condition import Condition
    from labmon.datastream.retainer import Progress
    from labmon.datastream.spool import Spool
    from labmon.web.application import LabmonApplication
    from labmon.web.descriptors import Newest
    from labmon.web.services import Services

STATES: Final = ("disabled", "connecting", "online", "offline", "stuck")


class MetricsHandler(ApiHandler):
    """What a Prometheus server scrapes."""

    operations: ClassVar[Mapping[str, Operation]] = {
        "GET": Operation(
            "Counters and newest readings in Prometheus' text format.",
            answer_type="text/plain; version=0.0.4",
        )
    }

    async def get(self) -> None:
        """All families."""
        self.set_header("Content-Type", CONTENT_TYPE)
        await self.send(text.encode() for text in families(self.application))


def families(application: LabmonApplication) -> Iterator[str]:
    """The text of each family; long ones in pieces."""
    yield from _process(application)
    yield from _server(application)
    yield from _live(application)
    yield from _devices(application)
    yield from _readings(application)


def _process(application: LabmonApplication) -> Iterator[str]:
    process = psutil.Process()
    with process.oneshot():
        cpu, memory = process.cpu_times(), process.memory_info()
        descriptors = process.num_handles() if sys.platform == "win32" else process.num_fds()
        threads, started = process.num_threads(), process.create_time()
    yield one("process_cpu_seconds_total", "counter", "CPU time used.", cpu.user + cpu.system)
    yield one("process_resident_memory_bytes", "gauge", "Resident memory.", memory.rss)
    yield one("process_open_fds", "gauge", "Open file descriptors.", descriptors)
    yield one("process_start_time_seconds", "gauge", "When it started, Unix time.", started)
    yield one("labmon_threads", "gauge", "Threads.", threads)
    yield one("labmon_asyncio_tasks", "gauge", "Tasks.", len(asyncio.all_tasks()))
    lag, text = application.lag.durations, "How late the event loop runs what is due."
    yield histogram("labmon_loop_lag_seconds", text, lag)
    text = "Worst since the start."
    yield one("labmon_loop_lag_worst_seconds", "gauge", text, lag.worst_s)


def _server(application: LabmonApplication) -> Iterator[str]:
    services = application.services
    hub, recorder, store = services.hub, services.recorder, services.datastream
    yield family("labmon_build_info", "gauge", "Version.", [({"version": __version__}, 1)])
    yield one("labmon_readings_total", "counter", "Readings since the start.", hub.last_seq)
    yield one(
        "labmon_recorded_readings_total",
        "counter",
        "Readings given to the store.",
        recorder.recorded_readings,
    )
    yield one(
        "labmon_dropped_readings_total",
        "counter",
        "Readings lost because the store was away too long.",
        recorder.dropped_readings,
    )
    yield one(
        "labmon_recorder_waiting_readings",
        "gauge",
        "Readings that wait for the store.",
        recorder.waiting_readings,
    )
    yield one(
        "labmon_store_pending_bytes",
        "gauge",
        "Bytes that are not yet durable.",
        store.pending_bytes,
    )
    yield one(
        "labmon_store_healthy", "gauge", "1 while the store takes readings.", store.is_healthy
    )
    waiting = recorder.waiting_bytes + store.pending_bytes
    yield one("labmon_spool_bytes", "gauge", "What waits for the store, in memory.", waiting)
    if recorder.spool is not None:
        yield from _spool(recorder.spool)
    yield from _condition(store.condition)
    yield from _retention(store.retention_progress)
    text = "How long the store took for each commit."
    yield histogram("labmon_commit_duration_seconds", text, store.commit_durations)
    text = "Entries that the journal keeps."
    yield one("labmon_journal_entries", "gauge", text, store.journal_entries)
    yield one("labmon_durable_seq", "gauge", "Newest durable reading.", store.durable_seq)
    yield one("labmon_streams", "gauge", "Streams.", len(store.paths()))
    yield from _files(services.config)
    yield family(
        "labmon_http_answers_total",
        "counter",
        "Requests answered.",
        [({"status": status}, count) for status, count in sorted(application.answers.items())],
    )
    http = application.http
    if http is not None:
        yield one("labmon_connections", "gauge", "Open connections.", http.connections)
        text = "Connections turned away because there were too many."
        yield one("labmon_refused_connections_total", "counter", text, http.refused)


def _spool(spool: Spool) -> Iterator[str]:
    """What waits on disk."""
    text = "Readings that wait for the store on disk, copies of what waits in memory too."
    yield one("labmon_spool_disk_readings", "gauge", text, spool.readings)
    yield one("labmon_spool_disk_bytes", "gauge", "What they take.", spool.size_bytes)
    oldest_s = spool.frames[0].head.time_ns / SECOND_NS if spool.frames else 0
    text = "Time of the oldest of them, Unix time; 0: there is none."
    yield one("labmon_spool_oldest_timestamp_seconds", "gauge", text, oldest_s)


def _condition(found: Condition) -> Iterator[str]:
    """Whether the store is as it should be."""
    aside = found.set_aside
    for name, kind, text, value in (
        ("warnings", "gauge", "What people should know of the store.", len(found.warnings)),
        ("failures_total", "counter", "Attempts to write that failed.", found.failures),
        ("refused_changes_total", "counter", "Changes it never takes.", found.refused_changes),
        ("damaged_blocks", "gauge", "Blocks found damaged.", found.damaged_blocks),
        ("set_aside_files", "gauge", "Damaged databases set aside.", len(aside.files)),
        ("salvage_files", "gauge", "Those still being copied from.", len(aside.waiting)),
        ("salvaged_blocks_total", "counter", "Blocks copied from them.", aside.copied),
        ("lost_blocks", "gauge", "Blocks that they have no longer.", aside.lost),
    ):
        yield one(f"labmon_store_{name}", kind, text, value)


def _retention(found: Progress) -> Iterator[str]:
    """What was removed because of its age; of a downsampled level, datapoints are buckets."""
    removed = found.removed
    for name, text, counts in (
        ("blocks", "Blocks removed by retention.", removed.blocks),
        ("datapoints", "Datapoints, or buckets, removed by retention.", removed.datapoints),
        ("bytes", "Bytes of the blocks removed by retention.", removed.removed_bytes),
    ):
        levels = [({"level": one.name.lower()}, counts[one.key]) for one in Granularity.values]
        yield family(f"labmon_retention_removed_{name}_total", "counter", text, levels)
    text = "When retention last ran, Unix time; NaN: not yet."
    ran_s = math.nan if found.ran_ns is None else found.ran_ns / SECOND_NS
    yield one("labmon_retention_last_run_timestamp_seconds", "gauge", text, ran_s)
    text = "How much longer than it was to be something is still kept."
    behind_s = found.behind_ns / SECOND_NS
    yield one("labmon_retention_behind_seconds", "gauge", text, behind_s)


def _files(config: Config) -> Iterator[str]:
    files = store_files.measure(config)
    if files is not None:
        used, free = files
        yield one("labmon_store_bytes", "gauge", "Bytes of the store's files.", used)
        yield one("labmon_store_free_bytes", "gauge", "Bytes free on the store's disk.", free)


def _live(application: LabmonApplication) -> Iterator[str]:
    live = application.live
    by_format: dict[str, int] = {"json": 0, "msgpack": 0, "sse": 0}
    for client in live.clients:
        by_format[client.encoder.name] += 1
    yield family(
        "labmon_live_clients",
        "gauge",
        "Live connections by transport and format.",
        [
            ({"transport": "sse" if name == "sse" else "websocket", "format": name}, count)
            for name, count in by_format.items()
        ],
    )
    yield one("labmon_live_topics", "gauge", "Distinct subscriptions.", live.topics)
    yield one("labmon_live_blocked_clients", "gauge", "Clients behind.", len(live.blocked))
    yield one(
        "labmon_live_slow_clients_total",
        "counter",
        "Clients cut because they took nothing.",
        live.slow_clients,
    )
    yield one(
        "labmon_live_skipped_readings_total",
        "counter",
        "Readings that slow clients did not get.",
        live.skipped_readings,
    )
    frames = live.sent_frames
    yield one("labmon_live_messages_total", "counter", "Messages to live clients.", frames)
    waiting = sum(client.mailbox.queued_bytes for client in live.clients)
    yield one("labmon_live_queued_bytes", "gauge", "What waits for clients behind.", waiting)
    yield one("labmon_queries", "gauge", "Heavy queries under way.", application.gate.inside)


def _devices(application: LabmonApplication) -> Iterator[str]:
    statuses = [device.status() for device in application.services.devices.values()]
    for key, kind, text in (
        ("polls", "counter", "Polls."),
        ("errors", "counter", "Polls that failed."),
        ("missed", "counter", "Polls left out because the one before took too long."),
        ("dropped", "counter", "Readings pushed faster than they were taken."),
        ("reconnects", "counter", "Connections made anew."),
    ):
        samples = [({"device": each["name"]}, each.get(key) or 0) for each in statuses]
        yield family(f"labmon_device_{key}_total", kind, text, samples)
    yield family(
        "labmon_device_poll_seconds",
        "gauge",
        "Median duration of the last polls.",
        [
            ({"device": each["name"]}, each["poll_ms"] / 1e3)
            for each in statuses
            if each["poll_ms"] is not None
        ],
    )
    yield family(
        "labmon_device_state",
        "gauge",
        "1 for the state that the device is in.",
        [
            ({"device": each["name"], "state": state}, each["state"] == state)
            for each in statuses
            for state in STATES
        ],
    )


def _readings(application: LabmonApplication) -> Iterator[str]:
    services = application.services
    paths, now_ns = sorted(services.datastream.paths()), services.clock.now_ns()
    values = (
        ({"stream": path, "unit": unit}, float(value) if _is_good(quality) else math.nan)
        for path, unit, (_, value, quality) in _numbers(services, paths)
    )
    yield from pieces("labmon_reading", "gauge", "Newest reading, NaN if it is no good.", values)
    ages = (
        ({"stream": path}, (now_ns - time_ns) / SECOND_NS)
        for path, _, (time_ns, _, _) in _numbers(services, paths)
    )
    yield from pieces("labmon_reading_age_seconds", "gauge", "Age of the newest reading.", ages)


def _numbers(services: Services, paths: Sequence[str]) -> Iterator[Newest]:
    """The newest readings that are numbers, each when its turn comes."""
    return (one for one in newest(services.datastream, paths) if is_number(one.reading[1]))


def _is_good(quality: int) -> bool:
    return quality & Quality.CODE_MASK in {Quality.OK, Quality.LIMIT}
