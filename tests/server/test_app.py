"""The whole server in this process: started, asked, stopped, and started on what it left."""

import asyncio
import json

import pytest
from tornado.httpclient import AsyncHTTPClient

from labmon import config
from labmon.app import STOP_S, App
from labmon.errors import ConfigError
from tests.conftest import PATIENCE_S

CONFIG = """\
devices:
  wavemeter: {driver: simulated_wavemeter, period_s: 0.02}
  gauge:
    driver: serial_line
    period_s: 0.05
    port: sim://gauge
    request: "PR?\\r\\n"
    channels: {chamber: {unit: mbar}}
"""


@pytest.fixture
def make_app(tmp_path, monkeypatch):
    """A factory of apps; their parts have time to stop, also where the machine stands still."""
    for part in STOP_S:
        monkeypatch.setitem(STOP_S, part, PATIENCE_S)

    def make(text=CONFIG, port=0):
        path = tmp_path / "config.yaml"
        path.write_text(text)
        return App(config.load(path, port=port, data_dir=tmp_path / "data"))

    return make


async def get(app, path):
    reply = await AsyncHTTPClient().fetch(app.address + path)
    return json.loads(reply.body)


async def latest(app, path):
    """The newest reading, once there is one."""
    async with asyncio.timeout(30):
        while True:
            found = (await get(app, f"/api/v1/latest?path={path}"))["readings"]
            if found and found[0]["value"] is not None:
                return found[0]


async def test_a_reading_goes_all_the_way_and_a_command_comes_back(make_app):
    app = make_app()
    await app.start()
    try:
        reading = await latest(app, "wavemeter/ch1")
        assert reading["unit"] == "THz"
        assert reading["quality_words"] == ["ok", "simulated"]
        reply = await app.rpc.handle(
            {
                "jsonrpc": "2.0",
                "id": 1,
                "method": "wavemeter.set_exposure",
                "params": {"channel": 2, "milliseconds": 77},
            },
            _operator(),
        )
        assert reply["result"] == 77
        async with asyncio.timeout(30):
            while (await latest(app, "wavemeter/exposure/ch2"))["value"] != 77:
                pass
        records = await get(app, "/api/v1/data?stream=wavemeter/_commands&start=-1m")
        assert records["streams"][0]["v"][-1]["command"] == "set_exposure"
    finally:
        await app.stop()


def _operator():
    from labmon.control.caller import Caller

    return Caller("tester", "operator", "127.0.0.1")


async def test_a_restart_leaves_a_gap_and_goes_on(make_app):
    for _ in range(2):
        app = make_app()
        await app.start()
        await latest(app, "gauge/chamber")
        await app.stop()
    app = make_app("devices: {}\n")
    await app.start()
    try:
        reply = await get(app, "/api/v1/data?stream=gauge/chamber&start=-1m&granularity=raw")
        values = reply["streams"][0]["v"]
        is_gap = [value is None for value in values]
        assert is_gap[-1], "it was stopped"
        assert True in is_gap[1:-1], "it was restarted"
    finally:
        await app.stop()


async def test_a_port_that_is_taken_is_said_plainly_and_leaves_nothing_behind(make_app, tmp_path):
    first = make_app()
    await first.start()
    port = int(first.address.rpartition(":")[2])
    (tmp_path / "second").mkdir()
    path = tmp_path / "second" / "config.yaml"
    path.write_text("devices: {}\n")
    second = App(config.load(path, port=port))
    with pytest.raises(ConfigError, match=rf"cannot listen on 127.0.0.1, port {port}.*--port"):
        await second.start()
    await first.stop()
    third = App(config.load(path, port=port))  # neither the port nor the store is still taken
    await third.start()
    await third.stop()


async def test_all_devices_that_cannot_be_built_are_named_at_once(make_app):
    app = make_app("devices:\n  a: {driver: nothing}\n  b: {driver: host, pth: /}\n")
    with pytest.raises(ConfigError) as caught:
        await app.start()
    assert "config.yaml:2" in str(caught.value)
    assert "config.yaml:3" in str(caught.value)


async def test_a_bug_at_the_end_of_one_part_holds_up_no_other(make_app, tmp_path, caplog):
    """What waits must be recorded all the same."""
    app = make_app()
    await app.start()
    await latest(app, "wavemeter/ch1")
    part, stop = app._stops[-1]
    assert part == "web"

    async def fail():
        await stop()
        raise RuntimeError("a bug")

    app._stops[-1] = part, fail
    await app.stop()
    assert "web did not stop cleanly" in caplog.text
    assert not app.datastream._engine.is_open


async def test_a_device_that_does_not_stop_keeps_no_other_from_its_end(make_app, caplog):
    """The others end, and leave their gaps, before the recorder and the store do."""
    app = make_app()
    await app.start()
    await latest(app, "gauge/chamber")
    failing, slow = app.devices["wavemeter"], app.devices["gauge"]
    stop_failing, stop_slow = failing.stop, slow.stop

    async def fail():
        await stop_failing()
        raise RuntimeError("a bug")

    async def stop_slowly():
        await asyncio.sleep(0.3)
        await stop_slow()

    failing.stop, slow.stop = fail, stop_slowly
    await app.stop()
    assert "wavemeter did not stop cleanly" in caplog.text
    assert slow.reason == "labmon was stopped"
    app = make_app("devices: {}\n")
    await app.start()
    try:
        reply = await get(app, "/api/v1/data?stream=gauge/chamber&start=-1m&granularity=raw")
        assert reply["streams"][0]["v"][-1] is None, "it was stopped"
    finally:
        await app.stop()
