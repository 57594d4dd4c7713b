"""`modbus`: word orders, groups, refusals; against its simulator and against pymodbus's server."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from pymodbus.framer import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer

from labmon.device import InstrumentError, Quality, Value
from labmon.device.channels import all_channels
from labmon.errors import BadRequestError, OutOfLimitsError
from labmon_drivers._registers import FORMATS, RegisterChannel, decode, encode
from labmon_drivers.modbus import Modbus, grouped
from labmon_drivers.protocols.modbus import Exchange, read_request, read_values
from labmon_drivers.simulators.modbus import Modbus as Simulated
from labmon_drivers.simulators.modbus import crc

if TYPE_CHECKING:
    from collections.abc import Iterator
from tests.drivers.patience import PATIENT
from tests.drivers.pymodbus_server import Cable, ModbusServer

CHANNELS = {
    "temperature": RegisterChannel(address=0, type="int16", scale=0.1, unit="°C"),
    "second": RegisterChannel(address=1, type="int16", scale=0.1, unit="°C"),
    "target": RegisterChannel(
        address=2, type="int16", scale=0.1, unit="°C", limits=(0, 200), writable=True
    ),
    "power": RegisterChannel(address=10, type="float32", unit="W"),
    "energy": RegisterChannel(address=12, type="uint32", unit="Wh"),
    "state": RegisterChannel(address=0, function=4, words={0: "off", 1: "heating", 2: "error"}),
    "zone": RegisterChannel(address=0, function=1, type="bool", writable=True),
    "zone_2": RegisterChannel(address=1, function=1, type="bool", writable=True, write_function=15),
}
READ = {
    "temperature": Value(123.4),
    "second": Value(-5.6),
    "target": Value(120.0),
    "power": Value(412.5),
    "energy": Value(123_456),
    "state": Value("heating"),
    "zone": Value(1.0),
    "zone_2": Value(0.0),
}


@pytest.fixture
def tcp_server() -> Iterator[ModbusServer]:
    with ModbusServer(lambda data: ModbusTcpServer(data, address=("127.0.0.1", 0))) as server:
        yield server


@pytest.fixture
def rtu_port() -> Iterator[str]:
    with ExitStack() as stack:
        cable = stack.enter_context(Cable())
        stack.enter_context(
            ModbusServer(
                lambda data: ModbusSerialServer(
                    data, framer=FramerType.RTU, port=cable.ends[1], baudrate=19200
                )
            )
        )
        yield cable.ends[0]


def used(port: str, **settings: Any) -> Iterator[Modbus]:
    driver = Modbus(port, CHANNELS, **PATIENT, **settings)
    driver.connect()
    yield driver
    driver.disconnect()


@pytest.fixture(params=["sim rtu", "sim tcp", "pymodbus tcp", "pymodbus rtu"])
def driver(request) -> Iterator[Modbus]:
    if request.param == "sim rtu":
        yield from used("sim://modbus")
    elif request.param == "sim tcp":
        yield from used("sim://modbus?framing=tcp", framing="tcp")
    elif request.param == "pymodbus tcp":
        server = request.getfixturevalue("tcp_server")
        yield from used(f"tcp://127.0.0.1:{server.port}")
    else:
        yield from used(request.getfixturevalue("rtu_port"), parity="none")


def test_every_kind_of_register_is_read(driver):
    assert driver.poll() == READ
    assert set(all_channels("m", driver)) == {
        *READ,
        "target_setpoint",
        "zone_setpoint",
        "zone_2_setpoint",
    }


def test_what_is_writable_is_set_and_read_back(driver):
    target, zone = driver.parameters["target"], driver.parameters["zone"]
    target.write(driver, 55.5)
    assert target.read(driver) == 55.5
    zone.write(driver, False)
    driver.parameters["zone_2"].write(driver, True)
    assert (zone.read(driver), driver.parameters["zone_2"].read(driver)) == (False, True)
    readings = driver.poll()
    assert readings["target"] == Value(55.5)
    assert (readings["zone"], readings["zone_2"]) == (Value(0.0), Value(1.0))


def test_a_refusal_says_what_was_refused(driver):
    driver._described = {"none": RegisterChannel(address=500)}
    with pytest.raises(InstrumentError, match=r"address 500: it has no such address"):
        driver.poll()
    driver._described = CHANNELS
    assert driver.poll() == READ  # and goes on


def test_several_units_share_a_line(bench):
    class Line:
        """Two controllers on one wire."""

        def __init__(self) -> None:
            self.units = [Simulated(unit=1), Simulated(unit=7, power_w=33.0)]

        def feed(self, data: bytes) -> bytes:
            return b"".join(unit.feed(data) for unit in self.units)

        def tick(self, now_s: float) -> bytes:
            return b""

    port = bench.serve("pty", Line()).port
    drivers = [bench.use(Modbus(port, CHANNELS, unit=unit, **PATIENT)) for unit in (1, 7)]
    for driver in drivers:
        driver.connect()
    values = [driver.poll()["power"].value for driver in drivers for _ in range(2)]
    assert values == [412.5, 412.5, 33.0, 33.0]


def test_a_unit_that_is_not_there_is_no_answer():
    driver = Modbus("sim://modbus", CHANNELS, unit=9, reply_timeout_s=0.05)
    driver.connect()
    with pytest.raises(InstrumentError, match="sent nothing"):
        driver.poll()
    driver.disconnect()


def test_neighbours_are_read_at_once():
    assert [group[:3] for group in grouped(CHANNELS)] == [
        (1, 0, 2),
        (3, 0, 3),
        (3, 10, 4),
        (4, 0, 1),
    ]
    assert [group[:3] for group in grouped(CHANNELS, joined=7)] == [
        (1, 0, 2),
        (3, 0, 14),
        (4, 0, 1),
    ]
    many = {str(i): RegisterChannel(address=2 * i, type="float32") for i in range(100)}
    assert [group[:3] for group in grouped(many)] == [(3, 0, 124), (3, 124, 76)]


@given(st.dictionaries(st.integers(0, 400), st.sampled_from(["uint16", "float32", "int64"])))
def test_groups_hold_every_channel_once_and_are_not_too_long(layout):
    channels: Any = {str(a): RegisterChannel(address=a, type=kind) for a, kind in layout.items()}
    groups = grouped(channels, joined=3)
    assert sorted(name for *_, names in groups for name in names) == sorted(channels)
    for _, address, count, names in groups:
        assert count <= 125
        for name in names:
            assert address <= channels[name].address
            assert channels[name].address + channels[name].count <= address + count


ORDERED = {
    "ABCD": [0x4248, 0xF5C3],
    "CDAB": [0xF5C3, 0x4248],
    "BADC": [0x4842, 0xC3F5],
    "DCBA": [0xC3F5, 0x4842],
}


@pytest.mark.parametrize("order", ORDERED)
def test_every_word_order(order):
    assert decode(ORDERED[order], "float32", order) == pytest.approx(50.24, abs=1e-5)
    assert encode(50.24, "float32", order) == ORDERED[order]


@given(st.data(), st.sampled_from(list(FORMATS)), st.sampled_from(list(ORDERED)))
def test_numbers_come_back_as_they_went(data, kind, order):
    if kind.startswith("float"):
        number = data.draw(st.floats(width=32 if kind == "float32" else 64, allow_nan=False))
    else:
        bits, signed = int(kind.strip("uint")), kind.startswith("int")
        low = -(2 ** (bits - 1)) if signed else 0
        number = data.draw(st.integers(low, low + 2**bits - 1))
    assert decode(encode(number, kind, order), kind, order) == number


def test_what_does_not_fit_is_refused():
    for number, kind in ((70_000, "uint16"), (-1, "uint32"), (1e39, "float32")):
        with pytest.raises(OutOfLimitsError):
            encode(number, kind, "ABCD")
    with pytest.raises(InstrumentError):
        decode([1], "float32", "ABCD")
    with pytest.raises(OutOfLimitsError):
        CHANNELS["target"].to_write(1e9, "ABCD")


def test_numbers_that_mean_nothing_and_words():
    broken = RegisterChannel(address=0, type="int16", scale=0.1, no_signal=[-32768, 32767])
    assert broken.reading([0x8000], "ABCD") == Value(None, Quality.NO_SIGNAL)
    assert broken.reading([0x7FFE], "ABCD") == Value(3276.6)
    real = RegisterChannel(address=0, type="float32")
    assert real.reading([0x7FC0, 0], "ABCD") == Value(None, Quality.NO_SIGNAL)
    state = RegisterChannel(address=0, words={0: "off", 1: "on"}, writable=True)
    assert state.reading([7], "ABCD") == Value("7", Quality.FAULT)
    assert state.to_write("on", "ABCD") == [1]
    with pytest.raises(BadRequestError, match="none of off, on"):
        state.to_write("hot", "ABCD")


def test_a_bit_of_a_register_is_set_and_its_neighbours_stay(bench):
    channels = {"relay": RegisterChannel(address=3, type="bool", bit=4, writable=True)}
    simulator = Simulated()
    simulator.holding[3] = 0b1000_0001
    driver = bench.use(
        Modbus(bench.serve("tcp", simulator).port, channels, framing="rtu", **PATIENT)
    )
    driver.connect()
    driver.parameters["relay"].write(driver, True)
    assert simulator.holding[3] == 0b1001_0001
    assert driver.poll() == {"relay": Value(1.0)}
    driver.parameters["relay"].write(driver, False)
    assert simulator.holding[3] == 0b1000_0001


def test_a_manual_that_counts_from_one():
    channels = {"t": RegisterChannel(address=1, type="int16"), "zero": RegisterChannel(address=2)}
    driver = Modbus("sim://modbus", channels, counts_from=1)
    driver.connect()
    assert driver.poll()["t"] == Value(1234)
    driver.disconnect()
    with pytest.raises(ValueError, match=r"channels\.zero: the first address is 1"):
        Modbus("sim://modbus", {"zero": RegisterChannel(address=0)}, counts_from=1)


def test_a_period_of_its_own():
    channels = {
        "fast": RegisterChannel(address=0),
        "slow": RegisterChannel(address=2, every_s=3600),
        "set": RegisterChannel(address=3, every_s=3600, writable=True),
    }
    driver = Modbus("sim://modbus", channels)
    driver.connect()
    assert [set(driver.poll()) for _ in range(3)] == [{"fast", "slow"}, {"fast"}, {"fast"}]
    driver.prepare()
    assert set(driver.poll()) == {"fast", "slow"}
    driver.disconnect()


@pytest.mark.parametrize(
    "keys",
    [
        {"address": 65535, "type": "float32"},
        {"address": 0, "function": 1, "type": "float32"},
        {"address": 0, "function": 1, "bit": 3},
        {"address": 0, "function": 4, "writable": True},
        {"address": 0, "write_function": 5},
        {"address": 0, "type": "uint32", "write_function": 6},
        {"address": 0, "scale": 0.0},
        {"address": 0, "type": "float32", "bit": 1},
    ],
)
def test_settings_that_do_not_go_together_are_refused(keys):
    with pytest.raises(ValidationError):
        RegisterChannel(**keys)


def answered(framing: Any, answer: bytes, unit: int = 1, count: int = 2) -> Any:
    request = read_request(unit, 3, 0, count)
    exchange = Exchange(framing, request, 5)
    replies = exchange.feed(answer)
    return [read_values(request, reply) for reply in replies]


def rtu(message: bytes) -> bytes:
    return message + crc(message).to_bytes(2, "little")


def test_only_the_answer_to_the_question_counts():
    good = rtu(bytes([1, 3, 4, 0, 7, 0, 8]))
    assert answered("rtu", good) == [[7, 8]]
    assert answered("rtu", rtu(bytes([2, 3, 4, 0, 7, 0, 8]))) == []  # another unit
    assert answered("rtu", rtu(bytes([1, 4, 4, 0, 7, 0, 8]))) == []  # another question
    assert answered("rtu", good[:-1]) == []
    assert answered("rtu", good[:-1] + b"\0") == []
    with pytest.raises(InstrumentError, match="1 came, not 2"):
        answered("rtu", rtu(bytes([1, 3, 2, 0, 7])))
    with pytest.raises(InstrumentError, match="it is busy"):
        answered("rtu", rtu(bytes([1, 0x83, 6])))
    with pytest.raises(InstrumentError, match="exception 99"):
        answered("rtu", rtu(bytes([1, 0x83, 99])))
    tcp = bytes([0, 5, 0, 0, 0, 7, 1, 3, 4, 0, 7, 0, 8])
    late = bytes([0, 4, 0, 0, 0, 7, 1, 3, 4, 0, 1, 0, 1])
    assert answered("tcp", late + tcp) == [[7, 8]]
    assert answered("tcp", late) == []


@given(st.sampled_from(["tcp", "rtu", "ascii"]), st.lists(st.binary(max_size=300), max_size=8))
def test_garbage_is_no_answer_and_nothing_but_an_instrument_error(framing, pieces):
    exchange = Exchange(framing, read_request(1, 3, 0, 2), 5)
    with suppress(InstrumentError):
        for piece in pieces:
            assert exchange.feed(piece) == []


@given(st.integers(0, 8), st.binary(min_size=1, max_size=4))
def test_a_damaged_answer_is_never_a_value(at, damage):
    good = rtu(bytes([1, 3, 4, 0, 7, 0, 8]))
    bad = good[:at] + damage + good[at + len(damage) :]
    with suppress(InstrumentError):
        assert answered("rtu", bad) in ([], [[7, 8]] if bad == good else [])


@given(st.lists(st.binary(max_size=40), max_size=10), st.sampled_from(["rtu", "tcp"]))
def test_the_simulator_takes_anything(pieces, framing):
    simulator = Simulated(framing=framing)
    for piece in pieces:
        simulator.feed(piece)
    assert len(simulator._buffer) <= 300
