"""`epics` against an EPICS server by caproto, in a process of its own."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from labmon.config import DeviceConfig
from labmon.device import (
    InstrumentError,
    InstrumentTimeoutError,
    OfflineError,
    Quality,
    Timed,
    Value,
)
from labmon.device.channels import all_channels
from labmon.device.device import Device
from labmon.errors import BadRequestError, OutOfLimitsError
from labmon.timestamps import Clock
from labmon_drivers import epics
from labmon_drivers.epics import Epics, RecordChannel
from labmon_drivers.protocols.channel_access import Update, parse_address, text
from tests.conftest import HeldPort

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from labmon.reading import Batch

SCRIPT = Path(__file__).with_name("epics_server.py")
CHANNELS = {
    "temperature": RecordChannel(record="TEMP", label="Furnace"),
    "target": RecordChannel(record="TARGET", writable=True, unit="°C", digits=2),
    "counts": RecordChannel(record="COUNTS", scale=2.0),
    "mode": RecordChannel(record="MODE", type="text", writable=True),
    "mode_number": RecordChannel(record="MODE"),
    "note": RecordChannel(record="NOTE", type="text", writable=True),
    "long_note": RecordChannel(record="LONG", type="text", writable=True),
    "third": RecordChannel(record="SPECTRUM", element=2),
    "ninth": RecordChannel(record="SPECTRUM", element=8),
    "fault": RecordChannel(record="FAULT", writable=True),
}
FIRST = {
    "temperature": Value(21.5),
    "target": Value(20.0),
    "counts": Value(14.0),
    "mode": Value("off"),
    "mode_number": Value(0.0),
    "note": Value("ready"),
    "long_note": Value("a longer note"),
    "third": Value(4.0),
    "ninth": Value(None, Quality.FAULT),
    "fault": Value(0.0),
}


class Server:
    """The server, on a port that stays the same over restarts."""

    def __init__(self, prefix: str = "lab:") -> None:
        self._prefix = prefix
        self._held_port = HeldPort()
        self._port = self._held_port.number
        self.address = f"127.0.0.1:{self._port}"
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        ports = {
            name: str(self._port) for name in ("EPICS_CA_SERVER_PORT", "EPICS_CAS_SERVER_PORT")
        }
        beacons = {
            "EPICS_CAS_AUTO_BEACON_ADDR_LIST": "NO",
            "EPICS_CAS_BEACON_ADDR_LIST": "127.0.0.1",
        }
        self._process = subprocess.Popen(
            [sys.executable, SCRIPT, self._prefix],
            env={**os.environ, **ports, **beacons},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout
        assert self._process.stdout.readline() == "ready\n"

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def close(self) -> None:
        self.stop()
        self._held_port.close()


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    server = Server()
    server.start()
    yield server
    server.close()


@pytest.fixture
def server() -> Iterator[Server]:
    """One of one's own, to be restarted."""
    server = Server()
    server.start()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def _listens_briefly(monkeypatch):
    monkeypatch.setattr(epics, "LISTEN_S", 0.05)


def patiently(connect: Callable[[], None]) -> None:
    """Again and again: a machine that stalls may be too late for a short time for answers."""
    deadline_s = time.monotonic() + 30
    while True:
        try:
            return connect()
        except InstrumentTimeoutError:
            assert time.monotonic() < deadline_s


class Following:
    """A connected driver, and everything that it said."""

    def __init__(self, driver: Epics) -> None:
        self.driver = driver
        patiently(driver.connect)
        self.stream = driver.stream()
        self.said: list[tuple[int, dict[str, Any]]] = []
        self.seen = 0

    def until(self, **expected: Any) -> None:
        """Until channels have said these values, since the last call."""
        deadline_s = time.monotonic() + 30
        while expected:
            for time_ns, readings in self.said[self.seen :]:
                assert abs(time_ns - time.time_ns()) < 60e9
                expected = {n: v for n, v in expected.items() if readings.get(n) != v}
                self.seen += 1
            assert time.monotonic() < deadline_s, (expected, self.said)
            polled = next(self.stream)
            if isinstance(polled, Timed):
                self.said.append((polled.time_ns, dict(polled.readings)))
            elif polled:
                self.said.append((time.time_ns(), dict(polled)))


@pytest.fixture
def follow() -> Iterator[Any]:
    drivers: list[Epics] = []

    def make(server: Server, **settings: Any) -> Following:
        settings = {"channels": CHANNELS, "prefix": "lab:"} | settings
        drivers.append(Epics(addresses=[server.address], **settings))
        return Following(drivers[-1])

    yield make
    for driver in drivers:
        driver.disconnect()
        driver.disconnect()


def test_records_of_every_type_are_read_and_described(server, follow):
    following = follow(server)
    following.until(**FIRST)
    channels = following.driver.channels
    assert (channels["temperature"].unit, channels["temperature"].digits) == ("degC", 3)
    assert (channels["target"].unit, channels["target"].digits) == ("°C", 2)
    assert (channels["mode"].kind, channels["mode_number"].kind) == ("nominal", "numeric")
    assert "target_setpoint" in all_channels("furnace", following.driver)


def test_what_is_set_is_seen_when_it_happens(server, follow):
    following = follow(server)
    following.until(**FIRST)
    driver = following.driver
    for name, value in (("target", 55.0), ("mode", "heating"), ("note", "hot"), ("long_note", "x")):
        driver.parameters[name].write(driver, value)
    following.until(
        target=Value(55.0),
        temperature=Value(56.5),
        mode=Value("heating"),
        mode_number=Value(1.0),
        note=Value("hot"),
        long_note=Value("x"),
    )
    times_ns = [at for at, readings in following.said if "temperature" in readings]
    assert times_ns == sorted(times_ns)
    with pytest.raises(OutOfLimitsError, match="lab:TARGET takes 0 to 250, not 900"):
        driver.put("target", 900.0)
    with pytest.raises(BadRequestError, match="none of off, heating, error"):
        driver.put("mode", "cold")
    with pytest.raises(InstrumentError, match="may not be written"):
        driver.put("temperature", 1.0)


def test_the_severity_of_an_alarm_decides(server, follow):
    following = follow(server)
    following.until(**FIRST)
    for severity, expected in ((1, Quality.LIMIT), (2, Quality.LIMIT), (3, Quality.FAULT)):
        following.driver.put("fault", severity)
        value = None if severity == 3 else 21.5
        following.until(temperature=Value(value, expected))
    following.driver.put("fault", 0)
    following.until(temperature=Value(21.5))


def test_what_does_not_change_is_said_again(running, follow):
    following = follow(running, repeat_s=0.1)
    following.until(third=Value(4.0))
    following.until(third=Value(4.0), counts=Value(14.0))


def test_a_record_that_is_missing_does_not_hide_the_others(running, follow):
    channels = {"x": RecordChannel(record="NONE"), "counts": CHANNELS["counts"]}
    following = follow(running, channels=channels, reply_timeout_s=0.5)
    following.until(counts=Value(14.0))
    assert not any("x" in readings for _, readings in following.said)
    driver = Epics({"x": RecordChannel(record="NONE")}, addresses=[running.address])
    driver._timeout_s = 0.3
    with pytest.raises(InstrumentError, match="none of NONE was found"):
        driver.connect()


def test_a_channel_whose_unit_only_the_record_knows_is_declared_once_it_is_known(running):
    """A stream that was made without a unit would not be gone on with in `degC`."""
    driver = Epics(CHANNELS, prefix="lab:", addresses=[running.address])
    assert "temperature" not in driver.channels
    assert driver.channels["target"].unit == "°C"  # the configuration says it
    driver.connect()
    driver.disconnect()
    assert driver.channels["temperature"].unit == "degC"
    assert set(driver.channels) == set(CHANNELS)


@pytest.mark.long
def test_a_record_with_a_unit_that_comes_later_is_declared_with_it(running):
    late = Server("late:")
    channels = {
        "counts": RecordChannel(record="lab:COUNTS"),
        "temperature": RecordChannel(record="late:TEMP"),
    }
    driver = Epics(channels, addresses=[running.address, late.address], reply_timeout_s=0.5)
    try:
        following = Following(driver)
        following.until(counts=Value(7.0))
        assert set(driver.channels) == {"counts"}
        late.start()
        with pytest.raises(OfflineError, match="late:TEMP was found"):
            following.until(temperature=Value(21.5))
        driver.connect()
        assert driver.channels["temperature"].unit == "degC"
    finally:
        driver.disconnect()
        late.close()


@pytest.mark.long
def test_a_record_that_comes_later_is_found(running):
    late = Server("late:")
    channels = {
        "counts": RecordChannel(record="lab:COUNTS"),
        "mode": RecordChannel(record="late:MODE", type="text"),
    }
    driver = Epics(channels, addresses=[running.address, late.address], reply_timeout_s=0.5)
    try:
        following = Following(driver)
        following.until(counts=Value(7.0))
        late.start()
        following.until(mode=Value("off"))
        late.stop()
        following.until(mode=Value(None, Quality.NO_SIGNAL))
        late.start()
        following.until(mode=Value("off"))
    finally:
        driver.disconnect()
        late.close()


def test_lost_records_have_no_value_and_the_device_is_offline(server, follow):
    following = follow(server)
    following.until(**FIRST)
    server.stop()
    with pytest.raises(OfflineError, match="all records are lost"):
        following.until(never=1)
    lost = [readings for _, readings in following.said if "counts" in readings][-1]
    assert lost["counts"] == Value(None, Quality.NO_SIGNAL)
    with pytest.raises(OfflineError, match="not connected"):
        following.driver.put("target", 5.0)


def test_abort_ends_a_stream_that_waits(running, follow, monkeypatch):
    monkeypatch.setattr(epics, "LISTEN_S", 60.0)
    following = follow(running, channels={"counts": CHANNELS["counts"]}, repeat_s=60.0)
    following.until(counts=Value(14.0))
    timer = threading.Timer(0.05, following.driver.abort)
    timer.start()
    assert set(following.stream) <= {None}
    timer.join()


async def test_a_device_comes_back_with_its_server(server):
    batches: list[Batch] = []
    config = DeviceConfig(name="furnace", driver="epics", period_s=0.1)
    driver = Epics(CHANNELS, prefix="lab:", addresses=[server.address], reply_timeout_s=1.0)
    device = Device(config, driver, clock=Clock(), publish=batches.append, changed=lambda _: None)

    def values() -> list[Any]:
        return [r.value for b in batches for r in b.readings() if r.path == "furnace/counts"]

    async def until(condition: Any) -> None:
        async with asyncio.timeout(30):
            while not condition():  # noqa: ASYNC110  nothing tells when it comes true
                await asyncio.sleep(0.01)

    await device.start()
    await until(lambda: device.state == "online" and 14.0 in values())
    server.stop()
    await until(lambda: device.state == "offline" and values()[-1] is None)
    seen = len(values())
    server.start()
    await until(lambda: device.state == "online" and 14.0 in values()[seen:])
    await device.stop()


def test_a_clock_that_is_not_set_and_one_that_stands_still_are_not_believed():
    driver = Epics({"x": RecordChannel(record="X")})
    now_ns = time.time_ns()

    def at(stamp_ns: int) -> int:
        update = Update(now_ns, "X", [1.0], 0, stamp_ns)
        polled = driver._heard(update)
        assert isinstance(polled, Timed)
        return polled.time_ns

    driver._facts["X"] = epics.Facts()
    assert at(now_ns - 3600 * 10**9) == now_ns  # the first says how it is now
    assert at(now_ns - 10**9) == now_ns - 10**9
    assert at(now_ns - 10**9) == now_ns
    assert at(0) == now_ns
    assert at(now_ns + 10**9) == now_ns


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="at least one record"):
        Epics({})
    for address in ("", "host:x", ":5064", "host:0"):
        with pytest.raises(ValueError, match="no address"):
            Epics(CHANNELS, addresses=[address])
    assert parse_address("ioc") == ("ioc", 5064)
    assert text(b"abc\0def") == "abc"


def test_data_that_is_not_of_the_type_is_a_fault():
    number = RecordChannel(record="X")
    for data in ([], ["hot"], b"hot", [object()]):
        assert number.reading(Update(0, "X", data, 0, 0), ()) == Value(None, Quality.FAULT)
    assert number.reading(Update(0, "X", [b"3.5"], 0, 0), ()) == Value(3.5)
    word = RecordChannel(record="X", type="text")
    assert word.reading(Update(0, "X", [7], 0, 0), ("a",)) == Value(None, Quality.FAULT)
