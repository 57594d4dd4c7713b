"""What a sample of a fast digitiser costs: as arrays, and as the same samples one poll each."""

import asyncio
import tempfile
import time

import numpy as np

from benchmarks.rounds import Spread, arguments, interleaved, number, ratios, report, table
from labmon import datastream
from labmon.hub import Hub
from labmon.reading import ArrayBatch, Batch
from labmon.recorder import Recorder

CHANNELS = 8
RATE_HZ = 10_000
POLL_SAMPLES = 1000
PATHS = tuple(f"adc/ch{i}" for i in range(CHANNELS))
START_NS = 1_750_000_000 * 10**9
METHOD = """\
{channels} channels of {rate:,} samples a second (16 bits of a noisy sine), {seconds:g} s of them,
through hub, recorder and datastream into a new file, committed after each {samples:,} samples of
every channel, as fast as it goes. As arrays: one array of a channel at a time. As polls: one batch
of all channels for each moment, which is what a driver without arrays would give. CPU time on all
threads, sealing and rollups included."""


def sampled(seconds):
    """For each poll of the instrument: times, and a column for each channel."""
    random = np.random.default_rng(1)
    for first in range(0, int(seconds * RATE_HZ), POLL_SAMPLES):
        numbers = np.arange(first, first + POLL_SAMPLES)
        volts = np.sin(numbers / 50) + 0.01 * random.standard_normal((CHANNELS, POLL_SAMPLES))
        yield START_NS + numbers * (10**9 // RATE_HZ), np.rint(volts * 2**14) / 2**14


def as_arrays(times_ns, columns):
    """One array for each channel."""
    for path, column in zip(PATHS, columns, strict=True):
        yield ArrayBatch("adc", (path,), times_ns, column)


def as_polls(times_ns, columns):
    """One batch for each moment."""
    rows = zip(times_ns.tolist(), zip(*columns.tolist(), strict=True), strict=True)
    for time_ns, values in rows:
        yield Batch("adc", time_ns, PATHS, values, bytes(CHANNELS))


async def recorded(seconds, batches_of, folder):
    """(seconds, CPU seconds) until all is durable."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        async with datastream.open(f"sqlite:///{place}/labmon.db") as store:
            recorder = Recorder(store)
            hub = Hub(store.node, store.epoch, recorder.record)
            recorder.start()
            polls = [list(batches_of(*poll)) for poll in sampled(seconds)]
            start_s, start_cpu_s = time.perf_counter(), time.process_time()
            for batches in polls:
                for batch in batches:
                    hub.publish(batch)
                await recorder.flush()
            took = time.perf_counter() - start_s, time.process_time() - start_cpu_s
            await recorder.stop()
    return took


async def measured(chosen):
    """The rows of the table."""
    count = int(chosen.seconds * RATE_HZ) * CHANNELS
    ways = {"arrays": as_arrays, "polls": as_polls}
    found = await interleaved(
        chosen.rounds,
        {
            name: lambda _, way=way: recorded(chosen.seconds, way, chosen.folder)
            for name, way in ways.items()
        },
    )
    speeds = [Spread([count / s / 1000 for s, _ in took]) for took in found.values()]
    costs = [Spread([1e6 * cpu / count for _, cpu in took]) for took in found.values()]
    cores = [number(each.median * RATE_HZ * CHANNELS / 1e6, 2) for each in costs]
    return [
        ["thousand samples a second", *speeds, ratios(*(each.values for each in speeds))],
        ["CPU time of a sample, µs", *costs, ratios(*(each.values for each in costs))],
        ["cores that the instrument takes", *cores, ""],
    ]


def main():
    chosen = arguments(__doc__, seconds=(10.0, 1.0))
    rows = asyncio.run(measured(chosen))
    method = METHOD.format(
        channels=CHANNELS, rate=RATE_HZ, seconds=chosen.seconds, samples=POLL_SAMPLES
    )
    report("arrays", method, table(["", "arrays", "polls", "of polls"], rows), chosen)


if __name__ == "__main__":
    main()
