"""A store that is away is asked again soon enough; what it will never take holds up nothing."""

import itertools
import sqlite3

import pytest

from labmon import datastream
from labmon.datastream import delivery, upkeep
from labmon.datastream.backends.base import Change
from labmon.datastream.backends.memory import MemoryBackend
from labmon.datastream.delivery import Delivery
from labmon.datastream.entry import decode_entry
from labmon.datastream.exceptions import (
    ChangeRefused,
    LockExpiredMidMaintenance,
    StoreUnavailable,
)

SLOWEST_ATTEMPT_S = 5.0
"""MongoDB's timeoutMS: so long an attempt may take before it fails."""


class Away(MemoryBackend):
    """Is away until a time, by a clock that only pauses and attempts move on."""

    def __init__(self, until_s, attempt_s):
        super().__init__()
        self.now_s = 0.0
        self.attempts_s = []
        self._until_s, self._attempt_s = until_s, attempt_s

    async def apply(self, change):
        self.attempts_s.append(self.now_s)
        if self.now_s < self._until_s:
            self.now_s += self._attempt_s
            raise StoreUnavailable("nobody there")

    async def pause(self, seconds):
        self.now_s += seconds


@pytest.mark.parametrize("attempt_s", [0.0, SLOWEST_ATTEMPT_S])
@pytest.mark.parametrize("away_s", [0.05, 1.0, 60.0, 3600.0, 86400.0])
async def test_a_store_that_is_back_is_found_within_30_s(away_s, attempt_s):
    for _ in range(20):  # the pauses are dithered
        store = Away(away_s, attempt_s)
        await Delivery(store, store.pause).apply(Change())
        assert store.now_s - away_s < 20.0
        assert len(store.attempts_s) < 20 + away_s / 4, "no herd"


async def test_pauses_grow_and_no_two_servers_keep_the_same_ones():
    runs = []
    for _ in range(2):
        store = Away(100.0, 0.0)
        await Delivery(store, store.pause).apply(Change())
        times = store.attempts_s
        runs.append([after - before for before, after in itertools.pairwise(times)])
    assert runs[0] != runs[1]
    assert runs[0][0] < 0.2
    assert max(runs[0]) <= delivery.LONGEST_PAUSE_S * (1 + delivery.JITTER)


class Refusing(MemoryBackend):
    """Refuses entries that hold a certain value, for good."""

    def __init__(self, error):
        super().__init__()
        self.error = error
        self.is_refusing = True
        self.attempts = 0

    async def apply(self, change):
        if self.is_refusing and any(
            6.5 in decode_entry(row.body).values.unpack() for row in change.entries
        ):
            self.attempts += 1
            raise self.error
        await super().apply(change)


@pytest.mark.parametrize(
    "error", [ChangeRefused("no such kind of value"), TypeError("a bug"), OverflowError("2**70")]
)
async def test_what_is_refused_for_good_is_kept_and_holds_up_nothing(tmp_path, caplog, error):
    backend = Refusing(error)
    backend.folder = tmp_path
    async with datastream.open(backend, seal_datapoints=64) as streams:
        stream = await streams.ensure_stream({"path": "w/a"}, {}, ["mean"], "raw")
        await streams.append(stream, 5.5, 1)
        await streams.commit()
        await streams.append(stream, 6.5, 2)
        with pytest.raises(ChangeRefused):
            await streams.commit()
        assert backend.attempts == delivery.REFUSALS
        await streams.append(stream, 7.5, 3)
        await streams.commit()
        assert streams.is_healthy
        assert streams.refused_changes == 1
        found = await streams.get_arrays(stream, "raw", 0, 10)
        assert found["v"].tolist() == [5.5, 6.5, 7.5], "memory has it still"
    (kept,) = (tmp_path / "refused").iterdir()
    assert decode_entry(kept.read_bytes()).values.unpack() == [6.5]
    assert sum(record.levelname == "CRITICAL" for record in caplog.records) == 1
    backend.is_refusing = False
    async with datastream.open(backend, seal_datapoints=64) as streams:
        found = await streams.get_arrays(stream, "raw", 0, 10)
        assert found["v"].tolist() == [5.5, 7.5], "what came after it is there all the same"
        await streams.append(stream, 8.5, 4)
        await streams.commit()
    async with datastream.open(backend) as streams:
        found = await streams.get_arrays(stream, "raw", 0, 10)
        assert found["v"].tolist() == [5.5, 7.5, 8.5]


async def test_a_refused_entry_is_in_the_store_again_once_it_is_sealed(tmp_path):
    backend = Refusing(ChangeRefused("no"))
    backend.folder = tmp_path
    async with datastream.open(backend, seal_datapoints=8) as streams:
        stream = await streams.ensure_stream({"path": "w/a"}, {}, ["mean"], "raw")
        for i in range(8):
            await streams.append(stream, i + 0.5, i)
            try:
                await streams.commit()
            except ChangeRefused:
                assert i == 6
        await streams._engine.sealer.idle()
    async with datastream.open(backend) as streams:
        found = await streams.get_arrays(stream, "raw", 0, 10)
        assert found["v"].tolist() == [i + 0.5 for i in range(8)]


async def test_a_rule_of_the_database_stops_one_change_and_not_recording(tmp_path):
    """SQLite itself refuses: a trigger stands in for a bug that breaks a constraint."""
    path = tmp_path / "labmon.db"
    async with datastream.open(f"sqlite:///{path}") as streams:
        stream = await streams.ensure_stream({"path": "w/a"}, {}, ["mean"], "raw")
        await streams.commit()
        connection = sqlite3.connect(path)
        connection.execute(
            "CREATE TRIGGER no BEFORE INSERT ON streams BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
        connection.close()
        await streams.update_tags(stream, {"unit": "mbar"})
        await streams.append(stream, 1.5, 1)
        with pytest.raises(ChangeRefused):
            await streams.commit()
        await streams.append(stream, 2.5, 2)
        await streams.commit()
        assert streams.refused_changes == 1
    async with datastream.open(f"sqlite:///{path}") as streams:
        found = await streams.get_arrays(stream, "raw", 0, 10)
        assert found["v"].tolist() == [1.5, 2.5]


async def test_a_lock_that_somebody_else_took_is_waited_for_and_said(until):
    """Nothing more is written, and the journal does not end."""

    class TakenOver(MemoryBackend):
        is_taken = False

        async def apply(self, change):
            if self.is_taken:
                raise LockExpiredMidMaintenance("taken over by another labmon")
            await super().apply(change)

    taken = TakenOver()
    async with datastream.open(taken) as streams:
        stream = await streams.ensure_stream({"path": "w/a"}, {}, ["mean"], "raw")
        await streams.commit()
        taken.is_taken = True
        await streams.append(stream, 1.5, 1)
        await until(lambda: not streams.is_healthy)
        assert "another labmon" in str(streams.last_error)
        taken.is_taken = False
        await streams.commit()


async def test_upkeep_goes_on_after_a_refusal(monkeypatch, until, clock):
    monkeypatch.setattr(upkeep, "PERIOD_S", 0.001)
    monkeypatch.setattr(upkeep, "KEEP_NS", -1)

    class NoTrims(MemoryBackend):
        trims = 0

        async def apply(self, change):
            if change.removed_entries:
                self.trims += 1
                if self.trims <= delivery.REFUSALS:
                    raise ChangeRefused("no")
            await super().apply(change)

    backend = NoTrims()
    async with datastream.open(backend, clock=clock) as streams:
        stream = await streams.ensure_stream({"path": "w/a"}, {}, ["mean"], "raw")
        await streams.append(stream, 1.5)
        await streams.commit()
        clock.step(600)
        await until(lambda: backend.trims > delivery.REFUSALS)
        await streams.commit()
        assert streams.refused_changes == 1
