"""Every driver with a port, on every kind of line, through every fault of line and instrument.

One test is one driver and one fault, on all lines at once: each device says once that it is
offline, comes back by itself, stores no wrong value, and disturbs nobody. The quick run takes a
sixth of the combinations, so that each driver and each fault is there; the long run takes all.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from labmon.config import DeviceConfig
from labmon.device import Channel, Driver, LinkDriver
from labmon.device.deadlines import LONGEST_S
from labmon.device.device import Device
from labmon.device.registry import available, find
from labmon.device.simulator import make_simulator
from labmon.reading import Batch
from labmon.timestamps import Clock
from labmon_drivers.serial_line import LineChannel, SerialLine
from tests.drivers.cases import CASES, Case
from tests.drivers.outlet import Outlet
from tests.drivers.patience import PATIENT, change
from tests.drivers.wrong_answers import CHATTER, REFUSALS, STRANGERS

pytestmark = pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning")  # pyserial

LINES = ("pty", "tcp", "rfc2217")
PERIOD_S = 0.05
BACK_S = 10.0
HURRY_S = 0.4
"""For an answer, while none can be expected; else a machine that stalls would be a fault too."""
ATTEMPTS = 5
"""After so many that failed, the pauses between them are at their longest."""
SAMPLE = 6
ALL_CASES = CASES | {
    "serial_line printing": Case(
        SerialLine,
        "sim://gauge?interval_s=0.05",
        {"foreline": 4.7e-3},
        tolerance=0.2,
        settings={"channels": {"foreline": LineChannel(unit="mbar")}, "silence_s": 30.0},
    ),
}


@dataclass
class Fault:
    """What happens to an instrument or its line.

    Attributes:
        begin: makes it happen.
        end: puts it right again.
        answers: what stands in place of the answers, by case, or the reason why nothing does.
    """

    begin: Callable[[Outlet, str], None]
    end: Callable[[Outlet, str], None] = lambda outlet, name: None
    answers: Any = field(default_factory=dict)
    is_over_at_once: bool = False

    def reason_against(self, name: str) -> str:
        """Why there is no such fault with this driver; empty where there is."""
        answer = self.answers.get(name, "")
        return answer if isinstance(answer, str) else ""


def cable(fault: str, reasons_against: dict[str, str] | None = None) -> Fault:
    def set_to(what: str, outlet: Outlet, _name: str) -> None:
        outlet.cable.fault = what

    return Fault(partial(set_to, fault), partial(set_to, "none"), reasons_against or {})


def answering(answers: Any) -> Fault:
    def begin(outlet: Outlet, name: str) -> None:
        outlet.spoilt.answer = answers[name]

    def end(outlet: Outlet, _name: str) -> None:
        outlet.spoilt.answer = None

    return Fault(begin, end, answers)


FAULTS = {
    "silence": cable("silence"),
    "half a line": cable("half"),
    "garbage": cable("garbage"),
    "dripping": cable("drip"),
    "late": cable("late", {"mks 937A": "a bare number does not say which question it answers"}),
    "end of file": Fault(lambda outlet, _: outlet.hang_up(), is_over_at_once=True),
    "unplugged": Fault(lambda outlet, _: outlet.unplug(), lambda outlet, _: outlet.plug_in()),
    "power cycle": Fault(
        lambda outlet, _: outlet.switch_off(),
        lambda outlet, name: outlet.switch_on(CHATTER[name]),
    ),
    "refusal": answering(REFUSALS),
    "another address": answering(STRANGERS),
}


def combinations() -> list[Any]:
    """(case, fault) of all that there are; those of the quick run are not marked long."""
    return [
        pytest.param(name, fault, marks=() if (i + j) % SAMPLE == 0 else pytest.mark.long)
        for (i, name), (j, fault) in itertools.product(enumerate(ALL_CASES), enumerate(FAULTS))
        if not FAULTS[fault].reason_against(name)
    ]


class Steady(Driver):
    """The neighbour."""

    x = Channel()

    def poll(self) -> dict[str, float]:
        return {"x": 1.0}


class Watched:
    """A device, and everything that it published."""

    def __init__(self, name: str, driver: Any, period_s: float) -> None:
        config = DeviceConfig(name=name, driver="x", period_s=period_s, timeout_s=60.0)
        self.batches: list[Batch] = []
        self.driver = driver
        self.device = Device(
            config,
            driver,
            clock=Clock(),
            publish=self.batches.append,
            changed=lambda _: None,
        )

    def wait_for_answers(self, timeout_s: float) -> None:
        change(self.driver, reply_timeout_s=timeout_s)
        if isinstance(self.driver, SerialLine):
            self.driver._silence_s = timeout_s

    @property
    def states(self) -> list[Any]:
        paths = (f"{self.device.name}/_state",)
        return [batch.values[0] for batch in self.batches if batch.paths == paths]

    @property
    def polls(self) -> int:
        return self.device.status()["polls"]

    @property
    def errors(self) -> int:
        return self.device.status()["errors"]

    def readings(self) -> list[dict[str, Any]]:
        """Of each poll, and each gap, the values by channel."""
        start = len(self.device.name) + 1
        return [
            {path[start:]: value for path, value in zip(batch.paths, batch.values, strict=True)}
            for batch in self.batches
            if not batch.paths[0].startswith(f"{self.device.name}/_")
        ]


class Metronome(threading.Thread):
    """Beats once a period beside everything, as often as the machine lets it; counts its beats."""

    def __init__(self) -> None:
        super().__init__()
        self.beats = 0
        self._stopping = threading.Event()

    def run(self) -> None:
        while not self._stopping.wait(PERIOD_S):
            self.beats += 1

    def __enter__(self) -> Metronome:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stopping.set()
        self.join()


class Lab:
    """A driver on all lines, and its neighbour."""

    def __init__(self, name: str, folder: Path, period_s: float) -> None:
        self.name = name
        self.case = ALL_CASES[name]
        make = partial(make_simulator, self.case.url)
        self.outlets = [Outlet(kind, make, folder) for kind in LINES]
        self.watched = [
            Watched(outlet.kind, self.case.driver(outlet.port), period_s) for outlet in self.outlets
        ]
        self.neighbour = Watched("neighbour", Steady(), PERIOD_S)

    async def start(self) -> None:
        for each in (*self.watched, self.neighbour):
            await each.device.start()
        await self.until(lambda each: each.states[-1:] == ["online"] and each.polls > 2)

    async def stop(self) -> None:
        await asyncio.gather(*(e.device.stop() for e in (*self.watched, self.neighbour)))
        for outlet in self.outlets:
            outlet.close()

    async def break_down(self, begin: Callable[[Outlet], None]) -> None:
        """Begin a fault at each once nobody waits there any more with the patience of before."""
        before = {each.device.name: each.polls for each in self.watched}
        whole = {outlet.kind: outlet for outlet in self.outlets}
        for each in self.watched:
            each.wait_for_answers(HURRY_S)

        def is_broken(each: Watched) -> bool:
            name = each.device.name
            if name in whole and (each.polls > before[name] + 1 or "offline" in each.states):
                begin(whole.pop(name))
            return name not in whole

        await self.until(is_broken)

    async def regain_patience(self) -> None:
        """From here on answers are waited for; but not to what was asked while nobody heard it."""
        await self.until(lambda _: not any(outlet.spoilt.is_deaf for outlet in self.outlets))
        before = {each.device.name: each.errors for each in self.watched}

        def regained(each: Watched) -> bool:
            if is_heard := each.errors > before[each.device.name] or each.states[-1] == "online":
                each.wait_for_answers(PATIENT["reply_timeout_s"])
            return is_heard

        await self.until(regained)

    async def until(self, condition: Callable[[Watched], Any], timeout_s: float = 30.0) -> None:
        deadline_s = time.monotonic() + timeout_s
        while late := [each for each in self.watched if not condition(each)]:
            told = {each.device.name: (each.states, each.device.reason) for each in late}
            assert time.monotonic() < deadline_s, told
            await asyncio.sleep(0.01)

    def check(self, watched: Watched) -> None:
        """No wrong value, a gap where it was offline, and all channels again in the end."""
        readings = watched.readings()
        is_gap = [set(values.values()) == {None} for values in readings]
        for values, is_empty in zip(readings, is_gap, strict=True):
            if not is_empty:
                self.case.check(values, complete=False)
        self.case.check(readings[-1])
        assert watched.states == ["connecting", "online", "offline", "online"]
        assert True in is_gap[is_gap.index(False) :]  # not only as it starts


@pytest.fixture
def adapters(monkeypatch) -> list[Outlet]:
    """Outlets whose USB adapters the operating system lists."""
    outlets: list[Outlet] = []
    monkeypatch.setattr(
        "serial.tools.list_ports.comports", lambda: [a for each in outlets for a in each.adapters]
    )
    return outlets


@pytest.fixture
async def make_lab(adapters, tmp_path, caplog):
    caplog.set_level("INFO")
    labs: list[Lab] = []

    async def make(name: str, period_s: float = PERIOD_S) -> Lab:
        (folder := tmp_path / name).mkdir()
        labs.append(lab := Lab(name, folder, period_s))
        adapters.extend(lab.outlets)
        await lab.start()
        return lab

    yield make
    for lab in labs:
        await lab.stop()


@pytest.fixture
def _short_pauses(monkeypatch):
    monkeypatch.setattr("labmon.device.deadlines.FIRST_S", 0.1)
    monkeypatch.setattr("labmon.device.deadlines.LONGEST_S", 0.4)


@pytest.mark.usefixtures("_short_pauses")
@pytest.mark.parametrize(("name", "fault"), combinations())
async def test_it_says_so_once_and_comes_back_with_the_same_values(make_lab, caplog, name, fault):
    lab: Lab = await make_lab(name)
    with Metronome() as metronome:
        polls = lab.neighbour.polls
        lasts = not FAULTS[fault].is_over_at_once
        if lasts:
            await lab.break_down(lambda outlet: FAULTS[fault].begin(outlet, name))
        else:
            for outlet in lab.outlets:
                FAULTS[fault].begin(outlet, name)
        failures = 2 if lasts else 1
        await lab.until(lambda each: "offline" in each.states and each.errors >= failures)
        for outlet in lab.outlets:
            FAULTS[fault].end(outlet, name)
        if lasts:
            await lab.regain_patience()
        await lab.until(lambda each: each.states[-1] == "online")
        before = {each.device.name: each.polls for each in lab.watched}
        await lab.until(lambda each: each.polls > before[each.device.name] + 2)
        kept = (lab.neighbour.polls - polls) / max(1, metronome.beats)
    for each in lab.watched:
        lab.check(each)
    check_log(caplog.records)
    assert kept > 0.6
    assert lab.neighbour.states == ["connecting", "online"]


def check_log(records: list[logging.LogRecord]) -> None:
    """One word of the outage, one of its end, and no other complaint."""
    said = [record.getMessage() for record in records]
    for line in LINES:
        assert sum(text.startswith(f"{line} is offline: ") for text in said) == 1
        assert sum(text.startswith(f"{line} is online again") for text in said) == 1
    complaints = [r.getMessage() for r in records if r.levelno > logging.INFO]
    assert len(complaints) == len(LINES), complaints


@pytest.mark.long
async def test_after_a_long_outage_everything_is_back_at_the_next_attempt(make_lab):
    """The pauses between the attempts have grown to their longest, which is less than 10 s."""
    assert LONGEST_S < BACK_S
    labs: list[Lab] = await asyncio.gather(*(make_lab(name, period_s=1.0) for name in CASES))
    everybody = [each for lab in labs for each in lab.watched]
    await asyncio.gather(*(lab.break_down(Outlet.switch_off) for lab in labs))
    for lab in labs:
        await lab.until(lambda each: each.errors > ATTEMPTS, 60)
    assert {each.states[-1] for each in everybody} == {"offline"}
    for lab in labs:
        for outlet in lab.outlets:
            outlet.switch_on(CHATTER[lab.name])
    errors = [each.errors for each in everybody]
    await asyncio.gather(*(lab.regain_patience() for lab in labs))
    for lab in labs:  # a busy machine takes its time
        await lab.until(lambda each: each.states[-1] == "online", 3 * BACK_S)
        for each in lab.watched:
            lab.check(each)
    for each, before in zip(everybody, errors, strict=True):
        assert each.errors <= before + 1, "only the attempt that was under way may fail"


def test_every_driver_with_a_port_has_its_cases():
    shipped = {find(each.name) for each in available() if each.is_usable}
    tested = {case.make for case in ALL_CASES.values()}
    assert {each for each in shipped if issubclass(each, LinkDriver)} == tested


def test_every_fault_is_tried_with_every_driver_or_has_a_reason():
    for table in (REFUSALS, STRANGERS):
        assert set(table) == set(ALL_CASES)
        assert all(callable(each) or each for each in table.values())
    quick = [each for each in combinations() if not each.marks]
    assert {each.values[0] for each in quick} == set(ALL_CASES)
    assert {each.values[1] for each in quick} == set(FAULTS)
