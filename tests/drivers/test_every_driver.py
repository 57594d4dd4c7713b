"""Every driver with a port: reads its simulator over each kind of line, and bears what comes.

What it polls is compared with its case, so that no fault may leave a wrong value behind.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest

from labmon.device import LinkDriver
from labmon.device.channels import all_channels
from labmon.device.simulator import make_simulator
from labmon.device.transport import Link
from labmon.errors import InstrumentError
from tests.drivers.cases import CASES, Case
from tests.drivers.patience import in_a_hurry

long = pytest.mark.long
WIRES = ["tcp", pytest.param("pty", marks=long)]


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


def test_it_reads_its_simulator(case):
    driver = case.driver(case.url)
    assert driver.simulated
    driver.connect()
    assert isinstance(driver.identify(), str)
    case.check(driver.poll())
    case.check(driver.poll())
    channels = all_channels("test", driver)
    assert set(case.expected) <= set(channels)
    driver.disconnect()
    driver.disconnect()
    with pytest.raises(InstrumentError):
        driver.poll()


def test_it_reads_over_a_wire(case, bench, kind):
    driver = bench.use(case.driver(bench.serve(kind, make_simulator(case.url)).port))
    driver.connect()
    driver.identify()
    case.check(driver.poll())


@pytest.mark.parametrize("kind", WIRES)
@pytest.mark.parametrize("fault", ["flood", "babble"])
def test_what_comes_beside_an_answer_gives_no_wrong_value(case, bench, kind, fault):
    server, faulty = bench.faulty(kind, make_simulator(case.url))
    driver = bench.use(case.driver(server.port))
    driver.connect()
    case.check(driver.poll())
    faulty.fault = fault
    for _ in range(3):
        with in_a_hurry(driver), suppress(InstrumentError):  # some can bear it
            case.check(driver.poll(), complete=False)
    faulty.fault = "none"
    driver.disconnect()
    driver.connect()
    for _ in range(3):
        case.check(driver.poll())


def connect_and_poll(driver: LinkDriver) -> None:
    driver.connect()
    driver.poll()


@pytest.mark.parametrize(
    "fault", ["unplug", pytest.param("half", marks=long), pytest.param("silence", marks=long)]
)
def test_it_says_when_the_instrument_is_gone(case, bench, fault):
    server, faulty = bench.faulty("tcp", make_simulator(case.url))
    driver = bench.use(case.driver(server.port))
    faulty.fault = fault
    with in_a_hurry(driver), pytest.raises(InstrumentError):
        connect_and_poll(driver)


def test_unplugged_and_plugged_in_again_it_comes_back(case, bench, tmp_path):
    name = tmp_path / "port"
    server = bench.serve("pty", make_simulator(case.url), link=name)
    driver = bench.use(case.driver(str(name)))
    driver.connect()
    server.close()
    with pytest.raises(InstrumentError):
        driver.poll()
    driver.disconnect()
    with pytest.raises(InstrumentError):
        driver.connect()
    bench.serve("pty", make_simulator(case.url), link=name)
    driver.disconnect()
    driver.connect()
    case.check(driver.poll())


class Babbler:
    """A stream that answers anything with the same scrambled bytes, and then is gone."""

    def __init__(self, answers: list[bytes]) -> None:
        self.answers = answers

    def read_some(self, wait_s: float) -> bytes:
        if not self.answers:
            raise OSError("nothing left")
        return self.answers.pop(0)

    def write_some(self, data: bytes, wait_s: float) -> int:
        return len(data)

    def drop_input(self) -> None:
        """What comes is all there is."""

    def drop_output(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        self.answers = []


class Recorder:
    """A simulator that remembers what it said."""

    def __init__(self, simulator: Any) -> None:
        self.simulator = simulator
        self.said: list[bytes] = []

    def feed(self, data: bytes) -> bytes:
        answer = self.simulator.feed(data)
        self.said += [answer] if answer else []
        return answer

    def tick(self, now_s: float) -> bytes:
        return self.simulator.tick(now_s)


def test_scrambled_answers_raise_nothing_but_instrument_error(case, bench, monkeypatch):
    recorder = Recorder(make_simulator(case.url))
    driver = bench.use(case.driver(bench.serve("tcp", recorder).port))
    driver.connect()
    recorder.said.clear()
    driver.poll()
    driver.disconnect()
    chance = random.Random(7)
    for _ in range(60):
        answers = [scrambled(answer, chance) for answer in recorder.said * 2]
        link = Link(Babbler(answers), "babbler", driver.settings.changed(gap_s=0.0))
        monkeypatch.setattr(driver, "_link", link)
        try:
            assert isinstance(driver.poll(), Mapping)
        except InstrumentError:
            continue


def scrambled(answer: bytes, chance: random.Random) -> bytes:
    data = bytearray(answer)
    for _ in range(chance.randint(0, 3)):
        at = chance.randrange(len(data) + 1)
        piece = chance.choice([b"", b"\r\n", chance.randbytes(3), b"9", b"-", b","])
        data[at : at + chance.randint(0, 4)] = piece
    return bytes(data)


@pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning")  # in pyserial 3.5
@pytest.mark.parametrize(
    "name", [name if name == "serial_line" else pytest.param(name, marks=long) for name in CASES]
)
def test_it_reads_over_rfc2217(name, rfc2217):
    case = CASES[name]
    driver = case.driver(rfc2217(case.url))
    driver.connect()
    case.check(driver.poll())
    driver.disconnect()
