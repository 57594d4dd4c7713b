"""What graphs cost over HTTP, to the last byte, from a real server on 127.0.0.1."""

import asyncio
import http.client
import tempfile
import time

import numpy as np

from benchmarks.lab_data import SECOND_NS
from benchmarks.queries import DAY_S, YEAR, Data, filled
from benchmarks.rounds import Spread, arguments, number, report, table
from benchmarks.serving import LoopLag, Serving
from benchmarks.stores import CONTENDERS

METHOD = """\
`labmon serve` in a process of its own, without devices, on the store of the benchmark `queries`
({hours:g} h of 40 streams, {days:g} days of one at 1 Hz, the last five minutes unsealed); one
client keeps its connection and asks `GET /api/v1/data` for 1,000 points, mean, minimum and
maximum, {count} times in turn for each row. Each question ends at a random time of the last
minute; times are from the request to the last byte of the answer, nothing of it is decoded. Goal:
p50 under 3 ms."""

ASKED = {
    "the last 10 minutes of 10 Hz": (0, 600),
    "24 h of 10 Hz": (0, DAY_S),
    "the whole of 1 Hz": (YEAR, None),
}
FORMATS = {"JSON": "application/json", "msgpack": "application/msgpack"}


def asked(connection, path, span, accept):
    """(milliseconds, bytes) of one answer."""
    start_ns, end_ns = span
    query = f"stream={path}&points=1000&start={start_ns / SECOND_NS}&end={end_ns / SECOND_NS}"
    start_s = time.perf_counter()
    connection.request("GET", f"/api/v1/data?{query}", headers={"Accept": accept})
    answer = connection.getresponse()
    body = answer.read()
    took_ms = 1000 * (time.perf_counter() - start_s)
    if answer.status != 200:
        raise SystemExit(f"{answer.status}: {body[:300]!r}")
    return took_ms, len(body)


def spans(t, length_s, count, seed):
    """Random questions: (start, end) in ns."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        end_ns = int(t[-1]) - int(rng.integers(0, 60 * SECOND_NS))
        start_ns = int(t[0]) if length_s is None else end_ns - length_s * SECOND_NS
        yield max(int(t[0]), start_ns), end_ns


def measured(chosen, port, data, paths):
    """The rows of the table: rounds over all questions and formats, in turn."""
    found = {(what, fmt): [] for what in ASKED for fmt in FORMATS}
    connection = http.client.HTTPConnection("127.0.0.1", port)
    for turn in range(chosen.rounds):
        for (what, fmt), rounds in found.items():
            stream, length_s = ASKED[what]
            questions = spans(data.kept[stream][0], length_s, int(chosen.count), turn)
            path = paths[stream]
            rounds.append([asked(connection, path, span, FORMATS[fmt]) for span in questions])
    connection.close()
    rows = []
    for (what, fmt), rounds in found.items():
        p50 = Spread([np.median([ms for ms, _ in answers]) for answers in rounds])
        p95 = np.percentile([ms for answers in rounds for ms, _ in answers], 95)
        size = np.median([size for answers in rounds for _, size in answers])
        rows.append([what, fmt, p50, number(p95), f"{size:,.0f}"])
    return rows


def main():
    chosen = arguments(__doc__, hours=(25, 0.5), days=(365, 1), count=(200, 5))
    data = Data(chosen.hours, chosen.days)
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        asyncio.run(filled(data, [CONTENDERS["labmon"]], folder))
        lag = LoopLag()
        with Serving(folder) as server, lag.watched(server.port):
            rows = measured(chosen, server.port, data, {0: "wavemeter/ch1", YEAR: "year/ch1"})
    head = ["graph", "as", "p50, ms", "p95, ms", "bytes"]
    method = METHOD.format(hours=chosen.hours, days=chosen.days, count=int(chosen.count))
    report(
        "http_graphs",
        method,
        f"{table(head, rows)}\n\n{lag}",
        chosen,
        "tornado",
        "orjson",
        "msgpack",
    )


if __name__ == "__main__":
    main()
