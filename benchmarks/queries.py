"""What questions cost: raw, graphs of a day and of a year, exact totals, newest readings."""

import asyncio
import tempfile
import time

import numpy as np

from benchmarks import asking, stores
from benchmarks.lab_data import DEVICES, PATHS, SECOND_NS, START_NS, Laboratory, year
from benchmarks.rounds import Spread, arguments, interleaved, number, ratios, report, table

METHOD = """\
In one file of each contender: 40 streams of {hours:g} h (10 Hz and 1 Hz, a time of its own for
each datapoint) and one stream of {days:g} days at 1 Hz. The last five minutes came last and in
small pieces, so that labmon has them unsealed in its head. Each question ends at a random time of
the last minute; all contenders get the same ones, and the first answers of each round are compared
with numpy on the raw data to 1e-12 (deviations to 1e-6: DuckDB's are not better where the noise is
1e-6 of 300). Warm: p50 (p95) over all rounds, ratios of p50 within each round. Cold: the store was
just opened and its files were dropped from the memory of the system before; the median of the
first answer. SQLite: rows clustered by stream and time; DuckDB: rows in the order of import,
answers by `fetchnumpy`."""

YEAR = len(PATHS)
TAIL_S = 300
MOST = 200
CHECKED = 4
GOALS_MS = {"raw": 0.2, "day": 0.5, "year": 0.5, "total": 1.0, "newest": 0.15}
WORDS = {
    "raw": "the last 10 minutes of 10 Hz, raw",
    "day": "24 h of 10 Hz for 1,000 pixels",
    "year": "the whole of 1 Hz for 1,000 pixels",
    "total": "mean, deviation, minimum, maximum and count of 12 to 24 h of 10 Hz",
    "newest": "the newest reading of every stream",
}
DAY_S = 86_400


class Data:
    """What is in the stores: the two streams that are asked for stay in memory.

    Attributes:
        kept: number of the stream -> (t, v).
    """

    def __init__(self, hours, days):
        self._seconds, self._days = int(3600 * hours), days
        self.kept = {}

    def pieces(self):
        """(number, t, v) of all streams; of each the last minutes come last."""
        late = []
        laboratory = Laboratory(is_shared=False)
        for device in DEVICES:
            for channel, path in enumerate(device.paths):
                stream = laboratory.stream(device, channel, self._seconds)
                yield from self._pieces(PATHS.index(path), stream, device.hertz, late)
        yield from self._pieces(YEAR, year(self._days), 1, late)
        yield from late

    def _pieces(self, stream, chunks, hertz, late):
        keeps = stream in (0, YEAR)
        kept, before = [], None
        for t, v in chunks:
            if keeps:
                kept.append((t, v))
            if before is not None:
                yield stream, *before
            before = t, v
        t, v = before
        at = max(0, len(t) - TAIL_S * hertz)
        yield stream, t[:at], v[:at]
        late.append((stream, t[at:], v[at:]))
        if keeps:
            self.kept[stream] = tuple(np.concatenate(column) for column in zip(*kept, strict=True))


async def filled(data, contenders, folder):
    """Put the data into all stores."""
    opened = [await contender(folder).open([*PATHS, "year/ch1"]) for contender in contenders]
    for stream, t, v in data.pieces():
        for store in opened:
            await store.take_columns(stream, t, v)
            await store.commit()
    for store in opened:
        await store.close()


class Questions:
    """The same questions for everybody.

    Args:
        data: what is in the stores.
        labmon: an open one, that tells the buckets of graphs.
    """

    def __init__(self, data, labmon):
        self._data, self._labmon = data, labmon

    async def make(self, kind, count, seed):
        """Some questions of a kind: (method, arguments)."""
        if kind == "newest":
            return [("newest", ())] * count
        rng = np.random.default_rng((seed, *kind.encode()))
        stream = YEAR if kind == "year" else 0
        t = self._data.kept[stream][0]
        asked = []
        for _ in range(count):
            end_ns = int(t[-1]) - int(rng.integers(0, 60 * SECOND_NS))
            length_s = {"raw": 600, "day": DAY_S, "year": (t[-1] - t[0]) // SECOND_NS}.get(kind)
            if length_s is None:
                length_s = DAY_S * rng.uniform(0.5, 1.0)
            start_ns = max(START_NS, end_ns - int(length_s * SECOND_NS))
            asked.append(await self._one(kind, stream, start_ns, end_ns))
        return asked

    async def _one(self, kind, stream, start_ns, end_ns):
        if kind not in ("day", "year"):
            return kind, (stream, start_ns, end_ns)
        bucket_ns = await self._labmon.bucket_ns(stream, start_ns, end_ns)
        start_ns = start_ns // bucket_ns * bucket_ns  # whole buckets, as labmon answers
        end_ns = -(-end_ns // bucket_ns) * bucket_ns
        return "graph", (stream, start_ns, end_ns, bucket_ns)

    def check(self, method, values, answer):
        """Compare an answer with numpy."""
        if method == "newest":
            known = [answer[stream] for stream in self._data.kept]
            newest = [(t[-1], v[-1]) for t, v in self._data.kept.values()]
            asking.check(method, known, newest)
            return
        stream, start_ns, end_ns, *bucket = values
        t, v = self._data.kept[stream]
        if method == "raw":
            first, last = np.searchsorted(t, [start_ns, end_ns])
            asking.check(method, answer, (t[first:last], v[first:last]))
        elif method == "graph":
            asking.check(method, answer, asking.expected_graph(t, v, start_ns, end_ns, *bucket))
        else:
            asking.check(method, answer, asking.expected_total(t, v, start_ns, end_ns))


async def timed(store, questions, asked, budget_s):
    """Milliseconds of each answer, until the budget is spent; at least one."""
    took = []
    for place, (method, values) in enumerate(asked):
        start_s = time.perf_counter()
        answer = await getattr(store, method)(*values)
        took.append(1000 * (time.perf_counter() - start_s))
        if place < CHECKED:
            questions.check(method, values, answer)
        if sum(took) > 1000 * budget_s:
            break
    return took


async def compared(kind, questions, asked_in, chosen, folder, contenders):
    """A row of the table for one kind of question; what is asked in each round is given."""

    def runner(contender):
        async def run(turn):
            asked, budget_s = asked_in[turn], chosen.budget
            store = contender(folder)
            asking.forget_pages(store.folder)
            await store.open([*PATHS, "year/ch1"])
            cold = await timed(store, questions, asked[:1], budget_s)
            warm = await timed(store, questions, asked, budget_s)
            await store.close()
            return cold[0], warm

        return run

    found = await interleaved(len(asked_in), {n: runner(c) for n, c in contenders.items()})
    warm = {name: [np.median(w) for _, w in rounds] for name, rounds in found.items()}
    return [WORDS[kind], GOALS_MS[kind], *_cells(found, warm)]


def _cells(found, warm):
    for name in asking.ASKED:
        if name not in found:
            yield ""
            continue
        every = np.concatenate([w for _, w in found[name]])
        cold = Spread([c for c, _ in found[name]])
        p50, p95 = np.percentile(every, [50, 95])
        yield f"{number(p50)} ({number(p95)}), cold {number(cold.median)}"
    for name in asking.ASKED:
        if name != "labmon" and name in found:
            yield ratios(warm[name], warm["labmon"])


async def measured(chosen, folder):
    """The rows of the table."""
    contenders = {n: c for n, c in asking.ASKED.items() if n not in chosen.without.split(",")}
    data = Data(chosen.hours, chosen.days)
    await filled(data, [stores.CONTENDERS[name] for name in contenders], folder)
    async with stores.opened(asking.AskLabmon(folder), [*PATHS, "year/ch1"]) as labmon:
        questions = Questions(data, labmon)
        asked = {
            kind: [await questions.make(kind, MOST, turn) for turn in range(chosen.rounds)]
            for kind in GOALS_MS
        }
    return [
        await compared(kind, questions, asked[kind], chosen, folder, contenders)
        for kind in GOALS_MS
    ]


def main():
    chosen = arguments(__doc__, hours=(25, 1), days=(365, 2), budget=(1.0, 0.05))
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        rows = asyncio.run(measured(chosen, folder))
    head = ["ms", "goal", "labmon", "SQLite rows", "DuckDB", "SQLite / labmon", "DuckDB / labmon"]
    method = METHOD.format(hours=chosen.hours, days=chosen.days)
    report("queries", method, table(head, rows), chosen, "numpy", "duckdb")


if __name__ == "__main__":
    main()
