"""`GET data`: the columns of a graph, or the same as CSV, records or Flot series.

The trap: an answer's cursor must neither leave out nor repeat what live will send after it, so
raw readings that came while the query ran are taken away again.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np

from labmon.datastream.granularity import Granularity
from labmon.errors import BadRequestError, TooLargeError
from labmon.paths import normalized
from labmon.timestamps import SECOND_NS, to_iso
from labmon.web import tables, wire
from labmon.web.answer_schemas import HISTORY
from labmon.web.cursor import Cursor
from labmon.web.curves import DEFAULT_FIELDS, FIELDS, Curve, curve_of, without_times
from labmon.web.descriptors import edge_time, resolve
from labmon.web.handler import ApiHandler
from labmon.web.operation import TEXT, TIME, Operation, Parameter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from labmon.datastream.graph import Graph

LEVELS: Final = tuple(granularity.name.lower() for granularity in Granularity.values)
DEFAULT_SPAN_NS: Final = 600 * SECOND_NS
TOTAL_POINTS: Final = 500_000
"""Rows of one answer, over all streams."""
_TEXT_TYPES: Final = {
    "csv": "text/csv; charset=utf-8",
    "records": "application/json",
    "flot": "application/json",
}


class DataHandler(ApiHandler):
    """History for graphs and exports."""

    operations: ClassVar[Mapping[str, Operation]] = {
        "GET": Operation(
            "The history of streams, as columns for a graph or as a table.",
            (
                Parameter(
                    "stream",
                    "Paths, ids or globs of streams, at least one: stream=wavemeter/ch1",
                    TEXT,
                    (),
                    is_list=True,
                    is_required=True,
                ),
                Parameter("start", "First time; 10 minutes before the end if absent.", TIME),
                Parameter("end", "Time at which to stop, not included; now if absent.", TIME),
                Parameter(
                    "points",
                    "Points that the graph has room for; up to twice as many are given.",
                    {"type": "integer", "minimum": 1, "maximum": 10_000, "default": 1000},
                    1000,
                ),
                Parameter(
                    "granularity",
                    "Fixes the level; else the finest that fits is taken. Where retention has"
                    " removed it, the finest that is left.",
                    {"type": "string", "enum": list(LEVELS)},
                ),
                Parameter(
                    "fields",
                    "Columns of a rollup; mean, min and max if absent.",
                    {"type": "string", "enum": list(FIELDS)},
                    is_list=True,
                ),
                Parameter(
                    "format",
                    "Columns, a CSV file, flat records, or series of Flot.",
                    {"type": "string", "enum": ["columns", "csv", "records", "flot"]},
                    "columns",
                ),
            ),
            answer={"anyOf": [HISTORY, {"type": "array"}]},
            also=("text/csv",),
            answers={200: "the columns"},
            errors={413: "too many points or streams", 429: "too many queries"},
        )
    }
    _task: asyncio.Task[Any] | None = None

    async def get(self) -> None:
        """Answer in the asked shape."""
        self._task = asyncio.current_task()
        start_ns, end_ns = self._span()
        services = self.services
        async with self.application.gate.enter():
            cursor = Cursor(
                services.hub.start_id,
                services.hub.epoch,
                services.seen_seq,
                services.clock.now_ns(),
            )
            curves = await self._curves(start_ns, end_ns, cursor.seq)
            if self.query["format"] == "columns":
                await self._send_columns(curves, start_ns, end_ns, cursor)
            else:
                await self._send_table(curves, start_ns)

    def on_connection_close(self) -> None:
        """Nobody waits for the answer any more."""
        super().on_connection_close()
        if self._task is not None:
            self._task.cancel()

    def _span(self) -> tuple[int, int]:
        end_ns = self.query["end"]
        end_ns = self.services.clock.now_ns() + 1 if end_ns is None else end_ns
        start_ns = self.query["start"]
        start_ns = max(0, end_ns - DEFAULT_SPAN_NS) if start_ns is None else start_ns
        if start_ns >= end_ns:
            raise BadRequestError(f"start {to_iso(start_ns)} is not before end {to_iso(end_ns)}")
        return start_ns, end_ns

    async def _curves(self, start_ns: int, end_ns: int, seen_seq: int) -> list[Curve]:
        datastream, limits = self.services.datastream, self.services.limits
        word = self.query["granularity"]
        level = None if word is None else Granularity.find(word)
        curves: list[Curve] = []
        total = 0
        for path, stream_id in resolve(datastream, self.query["stream"], limits.streams):
            if level not in {None, Granularity.Raw} and not self._has_rollups(path, stream_id):
                continue
            if level is not None:
                await self._check_points(path, stream_id, level, (start_ns, end_ns))
            graph = await datastream.get_graph(
                stream_id, start_ns, end_ns, self.query["points"], self._fields(stream_id), level
            )
            curve = self._curve(path, stream_id, graph, seen_seq)
            total += len(curve)
            if total > TOTAL_POINTS:
                raise TooLargeError(
                    f"this would return more than {TOTAL_POINTS} points over all streams: ask for"
                    " fewer streams, a shorter time or a coarser granularity",
                    {"limit": TOTAL_POINTS},
                )
            curves.append(curve)
            await asyncio.sleep(0)  # each takes a millisecond or two, and so does sending them
        return curves

    def _has_rollups(self, path: str, stream_id: str) -> bool:
        """Whether a coarser level can be asked for; words that only a glob found are left out."""
        if self.services.datastream.describe(stream_id)["value_downsamplers"]:
            return True
        if not {path, stream_id}.isdisjoint(map(normalized, self.query["stream"])):
            raise BadRequestError(f"{path} is never downsampled: ask for granularity=raw")
        return False

    def _fields(self, stream_id: str) -> Sequence[str] | None:
        if self.query["fields"]:
            return self.query["fields"]
        is_numeric = self.services.datastream.describe(stream_id)["value_type"] == "numeric"
        return DEFAULT_FIELDS if is_numeric else None

    def _curve(self, path: str, stream_id: str, graph: Graph, seen_seq: int) -> Curve:
        tags = self.services.datastream.describe(stream_id)
        if graph.bucket_ns == 0:
            newer = self.services.hub.since(seen_seq) or []
            times = [batch.times_ns for batch in newer if path in batch.paths]
            if times:
                graph = without_times(graph, np.concatenate(times))
        return curve_of(path, tags, graph)

    async def _check_points(
        self, path: str, stream_id: str, level: Granularity, span: tuple[int, int]
    ) -> None:
        """Refuse a fixed level that would return too much, with the number it would."""
        limits = self.services.limits
        is_packed = self.answer_format == "msgpack" and self.query["format"] == "columns"
        limit = limits.packed_points if is_packed else limits.points
        datastream = self.services.datastream
        known = datastream.describe(stream_id)
        earliest, latest = known.get("earliest_datapoint"), known.get("latest_datapoint")
        if earliest is None or latest is None:
            return
        points = known["count"]
        if level.duration_ns:
            seen_ns = min(span[1], latest + 1) - max(span[0], earliest)
            points = min(points, max(0, seen_ns) // level.duration_ns + 2)
        if points > limit:
            stored = await datastream.get_data(
                stream_id, level, start=span[0], end_exclusive=span[1], value_downsamplers=()
            )
            points = await stored.count()
        if points > limit:
            raise TooLargeError(
                f"{path} has {points} points at granularity {level.name.lower()} in this time,"
                f" at most {limit} go into one answer: ask for a shorter time, or leave"
                " granularity away",
                {"stream": path, "points": points, "limit": limit},
            )

    async def _send_columns(
        self, curves: Sequence[Curve], start_ns: int, end_ns: int, cursor: Cursor
    ) -> None:
        fmt = self.answer_format
        self.set_header("Content-Type", wire.CONTENT_TYPES[fmt])
        head = {
            "start": edge_time(start_ns, fmt),
            "end": edge_time(end_ns, fmt),
            "cursor": str(cursor),
            "streams": [],
        }
        elements = (wire.object_pieces(_columns(curve, fmt), fmt) for curve in curves)
        await self.send(wire.with_list(head, "streams", elements, len(curves), fmt))

    async def _send_table(self, curves: Sequence[Curve], start_ns: int) -> None:
        shape = self.query["format"]
        self.set_header("Content-Type", _TEXT_TYPES[shape])
        if shape == "flot":
            await self.send(tables.flot_pieces(curves))
            return
        loop = asyncio.get_running_loop()
        table = await loop.run_in_executor(None, tables.Table.of, curves)
        if shape == "csv":
            name = "labmon-" + to_iso(start_ns)[:16].replace(":", "") + ".csv"
            self.set_header("Content-Disposition", f'attachment; filename="{name}"')
            await self.send(tables.csv_pieces(table))
        else:
            await self.send(tables.record_pieces(table))


def _columns(curve: Curve, fmt: wire.Format) -> dict[str, Any]:
    times: np.ndarray = curve.time_ns
    return {
        "path": curve.path,
        "unit": curve.unit,
        "granularity": curve.granularity,
        "bucket_s": curve.bucket_ns / SECOND_NS,
        "t": times if fmt == "msgpack" else times.astype(np.float64) / 1e9,
        **curve.columns,
    }
