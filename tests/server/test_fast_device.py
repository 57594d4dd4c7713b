"""A digitiser of two channels at 10 kHz on a server of its own: nothing lost, nothing held up."""

import random
import re
import signal
import time
import urllib.request
from itertools import pairwise

import numpy as np
import pytest

from labmon import datastream
from labmon.client import Client

CONFIG = "devices: {adc: {driver: simulated_adc, period_s: 0.1}}"
CHANNELS = ("adc/light", "adc/current")
STEP_NS = 100_000


@pytest.fixture
def server(server_process):
    server = server_process(CONFIG)
    server.start()
    return server


def bands_until(client, samples, cursor=None):
    """Live readings of the light until so many samples have been told, and the newest cursor."""
    told, count = [], 0
    for event in client.events("adc/light", cursor=cursor):
        for reading in event.readings():
            if reading.band is not None:
                told.append(reading)
                count += reading.band.count
        if count >= samples:
            return told, event.cursor
    return told, cursor


async def stored(server):
    """Times and values of each channel, nulls and what is before the first sample left out."""
    found = {}
    url = f"sqlite:///{server.data}/labmon.db"
    async with datastream.open(url, read_only=True) as streams:
        for path in CHANNELS:
            columns = await streams.get_arrays(streams.stream_id(path), "raw", 0, 2**62)
            keep = ~np.isnan(columns["v"])
            found[path] = columns["t"][keep], columns["v"][keep]
    return found


def check_bands(told, times_ns, values):
    """Each band is that of the samples which end at its time."""
    for reading in told:
        # times are floats in JSON: the sample meant is the nearest one
        end = int(np.searchsorted(times_ns, reading.time_ns + STEP_NS // 2))
        part = values[end - reading.band.count : end]
        assert part.min() == reading.band.minimum
        assert part.max() == reading.band.maximum
        assert part[-1] == reading.value


@pytest.mark.alone
async def test_every_sample_is_stored_and_each_band_is_that_of_its_samples(server):
    client = Client(server.address)
    began = time.monotonic()
    told, _ = bands_until(client, 30_000)
    took_s = time.monotonic() - began
    cpu_s = counters(server)["process_cpu_seconds_total"]
    assert any(is_loop_in_time(server, client) for _ in range(20))
    assert server.end(signal.SIGTERM)[0] == 0
    found = await stored(server)
    for times_ns, values in found.values():
        assert (np.diff(times_ns) == STEP_NS).all()
        assert len(values) >= 30_000
    check_bands(told, *found["adc/light"])
    assert 2.5 < took_s < 10
    assert cpu_s < 0.6 * took_s + 3  # start and imports


def is_loop_in_time(server, client):
    """Whether nothing was late in a second; in another one the machine may have stood still."""
    before = late(server)
    bands_until(client, 10_000)
    return late(server) == before


def late(server):
    """How often the event loop was late by more than 0.1 s."""
    told = counters(server)
    quick = told['labmon_loop_lag_seconds_bucket{le="0.1"}']
    return told["labmon_loop_lag_seconds_count"] - quick


async def test_after_kill_9_each_array_is_there_once_or_taken_back(server):
    client = Client(server.address)
    told, cursor = bands_until(client, 10_000)
    server.end(signal.SIGKILL)
    server.start()
    again, _ = bands_until(client, 10_000, cursor)
    server.end(signal.SIGKILL)
    found = await stored(server)
    for times_ns, _ in found.values():
        steps_ns = np.diff(times_ns)
        assert (steps_ns > 0).all()  # none twice
        assert (steps_ns != STEP_NS).sum() <= 1  # the restart
    times_ns, values = found["adc/light"]
    durable = [reading for reading in [*told, *again] if reading.time_ns <= times_ns[-1]]
    check_bands([each for each in durable if _is_stored(each, times_ns)], times_ns, values)
    lost = [each for each in durable if not _is_stored(each, times_ns)]
    kept = len(told) - len(lost)
    assert kept > 0
    assert lost == told[kept:]  # the end of what was seen before the first crash
    assert len({each.time_ns for each in [*told, *again]}) == len(told) + len(again)


def _is_stored(reading, times_ns):
    return np.abs(times_ns - reading.time_ns).min() < STEP_NS // 2


def counters(server):
    with urllib.request.urlopen(server.address + "/metrics") as reply:
        lines = reply.read().decode().splitlines()
    return {
        match[1]: float(match[2]) for line in lines if (match := re.fullmatch(r"(\S+) (\S+)", line))
    }


def test_a_client_that_is_cut_again_and_again_gets_every_array_once(server):
    """Each band begins where the one before ended, over cuts and a restart in between."""
    client = Client(server.address)
    random.seed(7)
    cursor, told = None, []
    for cut in range(12):
        some, cursor = bands_until(client, random.choice([1000, 2000, 3000]), cursor)
        told += some
        if cut == 6:
            assert server.end(signal.SIGTERM)[0] == 0
            server.start()
    pauses_ns = [
        after.time_ns - (after.band.count - 1) * STEP_NS - before.time_ns
        for before, after in pairwise(told)
    ]
    assert min(pauses_ns) > STEP_NS // 2  # none twice
    assert sum(pause_ns > 2 * STEP_NS for pause_ns in pauses_ns) <= 1  # the restart
