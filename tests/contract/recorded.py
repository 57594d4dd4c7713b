"""What a stream should answer, from a plain list of everything that was recorded in it."""

import math
import struct

import numpy as np

from labmon.datastream import Granularity
from labmon.reading import Quality

END_NS = 2**63 - 1
NUMBERS = ["mean", "sum", "min", "max", "std_dev", "count"]
FIELDS = [*NUMBERS, "bad", "flags", "first", "last", "t_first", "t_last"]


def exactly(value):
    """Something that equals only the very same value: 1 is not 1.0, and -0.0 not 0.0."""
    if isinstance(value, float):
        return None if value != value else struct.pack("d", value)
    return value if value is None else (type(value).__name__, repr(value))


class Recorded:
    """One stream as a list of (time_ns, value, quality) in the order of arrival."""

    def __init__(self, is_numeric=True):
        self.is_numeric = is_numeric
        self.rows = []

    @property
    def latest_ns(self):
        return max((time_ns for time_ns, _, _ in self.rows), default=-1)

    def add(self, time_ns, value, quality):
        late = Quality.LATE if time_ns < self.latest_ns else 0
        self.rows.append((time_ns, value, quality | late))

    def sorted(self):
        return sorted(self.rows, key=lambda row: row[0])

    def between(self, start_ns, end_ns, step_ns=0):
        """The rows of a range, or of the buckets that begin in it."""
        start_ns -= start_ns % (step_ns or 1)
        return [
            row for row in self.sorted() if start_ns <= row[0] - row[0] % (step_ns or 1) < end_ns
        ]

    def buckets(self, start_ns, end_ns, step_ns):
        """{start of the bucket: its rows}, of those that begin in a range."""
        found = {}
        for row in self.between(start_ns, end_ns, step_ns):
            found.setdefault(row[0] - row[0] % step_ns, []).append(row)
        return found

    def check_rollup(self, told, rows):
        """What is told of some rows is right: exactly, but for the rounding of sums."""
        usable = [row for row in rows if row[2] & Quality.CODE_MASK in (Quality.OK, Quality.LIMIT)]
        counted = [(t, v) for t, v, _ in usable if v is not None and v == v]
        if self.is_numeric:
            counted = [(t, float(v)) for t, v in counted if not math.isinf(v)]
        exact = {"count": len(counted)}
        infinite = [v for _, v, _ in usable if self.is_numeric and v is not None and math.isinf(v)]
        exact["bad"] = len(rows) - len(usable) + len(infinite)
        exact["flags"] = int(np.bitwise_or.reduce([q for _, _, q in rows])) & Quality.FLAG_MASK
        if counted:
            exact |= {"first": counted[0][1], "last": counted[-1][1]}
            exact |= {"t_first": counted[0][0], "t_last": counted[-1][0]}
        if counted and self.is_numeric:
            values = [v for _, v in counted]
            exact |= {"min": min(values), "max": max(values)}
            self._check_sums(told, values)
        assert {name: told[name] for name in exact if name in told} == {
            name: value for name, value in exact.items() if name in told
        }

    @staticmethod
    def _check_sums(told, values):
        large = max(map(abs, values))
        mean = math.fsum(values) / len(values)
        variance = math.fsum((value - mean) ** 2 for value in values) / len(values)
        right = {"mean": mean, "sum": math.fsum(values), "std_dev": math.sqrt(variance)}
        near = {"mean": 1e-13 * large, "sum": 1e-13 * large * len(values)}
        near["std_dev"] = 4e-15 * large + 1e-9 * right["std_dev"]
        for name in right.keys() & told.keys():
            assert abs(told[name] - right[name]) <= near[name], (name, told[name], right[name])


class Checker:
    """Asks a store about one stream in all the ways that there are."""

    def __init__(self, streams, stream, recorded, random):
        self._streams = streams
        self._stream = stream
        self._recorded = recorded
        self._random = random

    def some_range(self):
        """Everything, or what begins and ends at a datapoint, beside one, or at a bucket."""
        times = [0, END_NS, *(row[0] for row in self._random.choices(self._recorded.rows, k=3))]
        step_ns = self._random.choice(Granularity.values[1:]).duration_ns
        edges = [t + shift for t in times for shift in (-1, 0, 1, -(t % step_ns))]
        edges = [time_ns for time_ns in edges if 0 <= time_ns <= END_NS]
        return self._random.choice([(0, END_NS), sorted(self._random.sample(edges, 2))])

    async def check(self):
        if not self._recorded.rows:
            assert self._streams.latest(self._stream) is None
            return
        self.check_newest()
        await self.check_raw()
        await self.check_level()
        await self.check_graph()
        await self.check_aggregate()

    def check_newest(self):
        time_ns, value, quality = self._recorded.sorted()[-1]
        newest = self._streams.latest(self._stream)
        assert (newest[0], exactly(newest[1]), newest[2]) == (time_ns, exactly(value), quality)
        told = self._streams.describe(self._stream)
        assert told["count"] == len(self._recorded.rows)
        assert told["earliest_datapoint"] == self._recorded.sorted()[0][0]

    async def check_raw(self):
        start_ns, end_ns = self.some_range()
        is_reverse = self._random.random() < 0.5
        found = await self._streams.get_data(
            self._stream, "raw", start_ns, end_exclusive=end_ns, reverse=is_reverse
        )
        points = await found.fetch()
        assert await found.count() == len(points)
        told = [(point["t"], exactly(point["v"]), point.get("quality", 0)) for point in points]
        right = self._recorded.between(start_ns, end_ns)
        assert told[:: -1 if is_reverse else 1] == [(t, exactly(v), q) for t, v, q in right]

    async def check_level(self):
        start_ns, end_ns = self.some_range()
        granularity = self._random.choice(Granularity.values[1:])
        fields = FIELDS if self._recorded.is_numeric else ["count", "bad", "first", "t_last"]
        columns = await self._streams.get_arrays(
            self._stream, granularity, start_ns, end_ns, fields
        )
        self._check_columns(columns, start_ns, end_ns, granularity.duration_ns)

    async def check_graph(self):
        start_ns, end_ns = self.some_range()
        points = self._random.choice([1, 5, 50])
        graph = await self._streams.get_graph(self._stream, start_ns, end_ns, points)
        assert len(graph.columns["t"]) <= 2 * points
        if graph.bucket_ns:
            end_ns = -(-end_ns // graph.bucket_ns) * graph.bucket_ns
            self._check_columns(graph.columns, start_ns, end_ns, graph.bucket_ns)
        else:
            right = self._recorded.between(start_ns, end_ns)
            assert graph.columns["t"].tolist() == [row[0] for row in right]

    def _check_columns(self, columns, start_ns, end_ns, step_ns):
        buckets = self._recorded.buckets(start_ns, end_ns, step_ns)
        assert columns["t"].tolist() == list(buckets)
        for i, rows in enumerate(buckets.values()):
            told = {name: column.tolist()[i] for name, column in columns.items() if name != "t"}
            self._recorded.check_rollup(told, rows)

    async def check_aggregate(self):
        start_ns, end_ns = self.some_range()
        fields = [*NUMBERS, "bad"] if self._recorded.is_numeric else ["count", "bad"]
        told = await self._streams.aggregate(self._stream, start_ns, end_ns, fields)
        rows = self._recorded.between(start_ns, end_ns)
        if rows:
            self._recorded.check_rollup(told, rows)
        else:
            assert told["count"] == 0
