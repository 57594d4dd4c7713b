"""`lakeshore` with a 218: one query in a message, and one for all inputs where it may be."""

from __future__ import annotations

import pytest

from labmon.device import InstrumentError, Quality, Value
from labmon_drivers.lakeshore import LakeShore
from labmon_drivers.simulators.lakeshore import LakeShore as Simulated


class Counted(Simulated):
    """Counts the messages that it answers."""

    def __init__(self, **options):
        super().__init__(**options)
        self.messages: list[bytes] = []

    def feed(self, data):
        self.messages.append(data)
        return super().feed(data)


def connected(bench, simulator, **settings):
    port = bench.serve("tcp", simulator).port
    driver = bench.use(LakeShore(port, "218", gap_s=0.0, reply_timeout_s=30.0, **settings))
    driver.connect()
    return driver


def test_a_poll_asks_for_all_temperatures_and_for_all_sensors_at_once(bench):
    """Of the inputs that are wanted the status is asked for one by one: there is no other way."""
    simulator = Counted(model="218", noise=0.0, status="0,0,128")
    driver = connected(bench, simulator, inputs=["1", "3", "8"], sensor_readings=True)
    simulator.messages.clear()
    readings = driver.poll()
    assert simulator.messages == [
        b"KRDG? 0\r\n",
        b"RDGST? 1\r\n",
        b"RDGST? 3\r\n",
        b"RDGST? 8\r\n",
        b"SRDG? 0\r\n",
    ]
    assert set(readings) == set(driver.channels)
    assert readings["sensor_1"] == Value(1.58947)
    assert readings["temperature_3"] == Value(None, Quality.OVER_RANGE)
    assert readings["sensor_8"] == Value(pytest.approx(0.863))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("query", [b"KRDG", b"SRDG"])
def test_too_few_values_of_all_inputs_are_none_of_them(bench, monkeypatch, query):
    simulator = Counted(model="218")
    driver = connected(bench, simulator, sensor_readings=True)
    feed = simulator.feed

    def cut(data):
        return feed(data).partition(b",")[2] if query in data else feed(data)

    monkeypatch.setattr(simulator, "feed", cut)
    with pytest.raises(InstrumentError, match="7 values came, not 8"):
        driver.poll()


def test_of_several_queries_in_a_message_the_older_models_answer_the_last():
    """ "Only one query is permitted per communication", says the manual of the 218."""
    assert Simulated(model="218", noise=0.0).feed(b"KRDG? 1;RDGST? 1\r\n") == b"000\r\n"
    assert Simulated(model="336", noise=0.0).feed(b"KRDG? A;RDGST? A\r\n") == b"+4.2130;000\r\n"


def test_its_line_has_odd_parity_as_the_manual_says():
    driver = LakeShore("sim://lakeshore?model=218", "218")
    line = driver.settings
    assert (line.baud_rate, line.data_bits, line.parity) == (9600, 7, "odd")
