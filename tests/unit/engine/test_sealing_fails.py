"""A stream whose datapoints cannot be made a block, whatever the reason."""

import asyncio
import logging
import time

from labmon.datastream import sealing

PAUSE_S = 0.2


async def test_a_stream_that_cannot_be_sealed_holds_up_no_other(
    streams, until, monkeypatch, caplog
):
    caplog.set_level(logging.CRITICAL, sealing.__name__)
    numbers = await streams.ensure_stream({"path": "n"}, {}, ["mean"], "raw")
    bad = await streams.ensure_stream({"path": "bad"}, {}, ["mean"], "raw")
    encode, attempts, is_broken = sealing._split_and_encode, [], True

    def broken(sealings, size):
        if is_broken and any(one.number == 2 for one in sealings):
            attempts.append(time.monotonic())
            raise IndexError("no such thing")
        return encode(sealings, size)

    monkeypatch.setattr(sealing, "_split_and_encode", broken)
    monkeypatch.setattr(sealing, "PAUSE_S", PAUSE_S)
    sealer = streams._engine.sealer
    for i in range(200):
        for stream in (bad, numbers):
            await streams.append(stream, float(i), i)
        await asyncio.sleep(0)
    await until(lambda: streams._engine.catalogue.get(numbers).state.through >= 192)
    await asyncio.sleep(0.1)
    pauses = round((attempts[-1] - attempts[0]) / PAUSE_S)
    assert 1 <= len(attempts) <= 2 * (1 + pauses)  # in a group with the other, and alone once
    assert streams._engine.catalogue.get(bad).state.through == 0
    is_broken = False
    await until(lambda: streams._engine.catalogue.get(bad).state.through >= 192)
    assert not sealer._pauses_s
    found = await streams.get_arrays(bad, "raw", 0, 200)
    assert found["v"].tolist() == [float(i) for i in range(200)]
