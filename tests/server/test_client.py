"""The Python client against a real server process, over its restarts."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
import signal
import socket
import threading
from datetime import UTC, datetime, timedelta, timezone
from email.message import Message
from pathlib import Path

import numpy as np
import pytest

from labmon.client import AsyncClient, Client, RequestError, RpcError
from labmon.client.api import Api
from labmon.client.follow import Follow
from tests.conftest import ServerProcess

PAGE = Path(__file__).parents[2] / "docs" / "client.md"
CONFIG = """
devices:
  bench: {driver: "tests.server.bench_driver:Bench", period_s: 0.02}
"""


@pytest.fixture(autouse=True)
def no_waiting_for_ever():
    """A live iterator has no end of its own."""

    def ring(*_):
        raise AssertionError("it took too long")

    signal.signal(signal.SIGALRM, ring)
    signal.alarm(120)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory):
    """One that no test stops."""
    with contextlib.closing(ServerProcess(tmp_path_factory.mktemp("server"), CONFIG)) as server:
        server.start()
        yield server


@pytest.fixture
def client(shared_server, until):
    return _client(shared_server, until)


@pytest.fixture
def server(server_process):
    """One of the test's own, to be restarted."""
    server = server_process(CONFIG)
    server.start()
    return server


def _client(server, until):
    client = Client(server.address)

    def has_polled():
        reading = client.latest().get("bench/count")
        return reading and reading.value

    until(has_polled, what="the first reading")
    return client


def test_newest_readings_and_history(client, until):
    latest = client.latest("bench/*")
    assert set(latest) == {"bench/level", "bench/count"}
    level = latest["bench/level"]
    assert (level.unit, level.quality, level.is_good) == ("%", 0, True)
    assert level.value >= 0
    assert level.time == pytest.approx(level.time_ns / 1e9, abs=1e-6)
    assert "bench/_state" not in client.latest()
    until(lambda: client.latest("bench/count")["bench/count"].value > 50)

    raw = client.data("bench/count", 0, granularity="raw")["bench/count"]
    assert (raw.granularity, raw.bucket_s, raw.unit) == ("raw", 0, "")
    good = np.isfinite(np.asarray(raw.values, float))
    assert raw["t"].dtype == np.int64
    assert np.all(np.diff(raw["t"]) >= 0)
    assert np.asarray(raw.values)[good].tolist() == list(range(1, int(good.sum()) + 1))
    assert raw.times.dtype == np.dtype("datetime64[ns]")
    assert len(raw.times) == len(raw) == len(raw["quality"])

    both = client.data(["bench/count", "bench/level"], "-1m", granularity="seconds")
    rollup = both["bench/count"]
    assert (rollup.granularity, rollup.bucket_s) == ("seconds", 1)
    n = np.flatnonzero(np.isfinite(rollup.values))[0]  # the start is marked by a gap
    assert rollup["min"][n] <= rollup.values[n] <= rollup["max"][n]
    counts = client.data("bench/count", "-1m", granularity="seconds", fields=["count"])
    assert np.nansum(counts["bench/count"]["count"]) >= 50


def test_descriptors_of_streams_and_devices(client):
    (stream,) = client.streams("bench/level")
    assert (stream["path"], stream["unit"], stream["description"]) == ("bench/level", "%", "as set")
    assert client.streams("**", unit="V") == []
    (device,) = client.devices()
    assert (device["name"], device["state"]) == ("bench", "online")
    assert "set_level" in [command["name"] for command in device["commands"]]


def test_commands_by_every_way_to_give_them(client, until):
    assert client.call("bench.set_level", percent=30) == 30
    assert client.call("bench.set_level", 40.5) == 40.5
    bench = client.device("bench")
    assert bench.set_level(percent=np.float64(50)) == 50
    until(lambda: client.latest("bench/level")["bench/level"].value == 50, what="the readback")
    assert [bench.add(1, idempotency_key="k") for _ in range(3)] == [51] * 3
    with pytest.raises(RpcError, match="0 to 100 %") as caught:
        bench.set_level(percent=200)
    assert caught.value.code == -32006
    assert "percent" in caught.value.data["params"]
    with pytest.raises(RpcError) as caught:
        bench.explode()
    assert caught.value.code == -32601
    with pytest.raises(TypeError, match="by position or by name"):
        client.call("bench.set_level", 1, percent=2)
    with pytest.raises(AttributeError):
        bench._private  # noqa: B018


def test_a_lease_is_a_call_like_any_other(client):
    lease = client.call("lease.acquire", device="bench", seconds=10)
    assert lease["owner"] == "local"
    client.call("lease.release", device="bench")


def test_readings_from_outside(client):
    readings = [
        {"stream": "room/t", "value": np.float32(21.5)},
        {"stream": "room/t", "value": 20, "time": 1_700_000_000},
        {"stream": "room/t", "value": 19, "time_ns": 1_600_000_000 * 10**9, "quality": "limit"},
        {"stream": "room/t", "value": 18, "time": "2018-01-01T00:00:00Z"},
        {"stream": "a//b", "value": 1},
    ]
    answer = client.append(readings, idempotency_key="k")
    assert answer["accepted"] == 4
    assert [rejected["index"] for rejected in answer["rejected"]] == [4]
    assert client.append(readings, idempotency_key="k") == answer
    room = client.data("room/t", 0, "now", granularity="raw")["room/t"]
    assert np.asarray(room.values).tolist() == [18, 19, 20, 21.5]
    assert room["t"][:3].tolist() == [
        seconds * 10**9 for seconds in (1_514_764_800, 1_600_000_000, 1_700_000_000)
    ]


def test_what_the_server_refuses_is_raised_with_its_words(client):
    with pytest.raises(RequestError, match="no stream 'nowhere'") as caught:
        client.data("nowhere")
    assert (caught.value.status, caught.value.code) == (404, "not_found")
    with pytest.raises(RequestError) as caught:
        client.data("bench/count", start="yesterday")
    assert caught.value.status == 400
    with pytest.raises(RequestError):
        next(client.live("bench/$"))


def test_a_server_that_is_not_there_is_an_os_error():
    with contextlib.closing(socket.socket()) as bound:
        bound.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{bound.getsockname()[1]}"
        client = Client(address)
        with pytest.raises(ConnectionRefusedError, match=rf"{address}: .* labmon"):
            client.latest()
        with pytest.raises(ConnectionRefusedError, match=address):
            next(client.live())
    for address in ("127.0.0.1:8765", "ftp://lab", "http://"):
        with pytest.raises(ValueError, match="is no address such as"):
            Client(address)


@contextlib.contextmanager
def somebody_else(answer: bytes):
    """The address of a server that gives one answer, whatever it is asked, and closes."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listening:

        def serve():
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(1 << 16)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


PAGE_OF_OTHERS = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\n<html"


async def first_of(address):
    async with contextlib.aclosing(AsyncClient(address, timeout_s=5).live()) as live:
        return await anext(live)


def test_an_answer_that_is_not_labmons_is_said():
    with somebody_else(PAGE_OF_OTHERS) as address:
        with pytest.raises(RequestError, match="is not labmon's"):
            Client(address).latest()
        with pytest.raises(RequestError, match="is not labmon's"):
            next(Client(address).live())
        with pytest.raises(RequestError, match="is not labmon's"):
            asyncio.run(first_of(address))


@pytest.mark.parametrize("said", [b"SSH-2.0-Other\r\n\r\n", PAGE_OF_OTHERS[:-2], b""])
def test_no_whole_answer_is_an_os_error_that_names_the_address(said):
    with somebody_else(said) as address:
        with pytest.raises(OSError, match=address):
            Client(address).latest()
        if said != PAGE_OF_OTHERS[:-2]:
            with pytest.raises(OSError, match=address):
                next(Client(address).live())
            with pytest.raises(OSError, match=address):
                asyncio.run(first_of(address))


def test_a_server_that_does_not_answer_in_time_is_named():
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(TimeoutError, match=rf"{address} .* 0.05 s"):
            Client(address, timeout_s=0.05).latest()
        with pytest.raises(TimeoutError, match=rf"{address} .* 0.05 s"):
            asyncio.run(AsyncClient(address, timeout_s=0.05).call("a.b"))


def test_times_may_be_those_of_python_and_numpy(client):
    now = datetime.now(UTC).replace(microsecond=250_000) - timedelta(seconds=1)
    times = [
        now,
        now.astimezone(timezone(timedelta(hours=5))),
        np.datetime64(now.replace(tzinfo=None)),
    ]
    for i, time in enumerate(times):
        client.append([{"stream": f"times/t{i}", "value": 1, "time": time}])
        found = client.data(f"times/t{i}", start=now, end=times[2] + np.timedelta64(1, "s"))
        assert found[f"times/t{i}"]["t"].tolist() == [round(now.timestamp() * 4) * 250_000_000]
    naive = now.replace(tzinfo=None)
    for refused in (
        lambda: client.append([{"stream": "times/t", "value": 1, "time": naive}]),
        lambda: client.data("bench/count", start=naive),
    ):
        with pytest.raises(ValueError, match="has no time zone"):
            refused()


def test_what_cannot_be_sent_says_why(client):
    with pytest.raises(TypeError, match="a reading is a dict such as"):
        client.append({"stream": "odd/x", "value": 1})
    with pytest.raises(OverflowError, match="beyond 64 bits"):
        client.append([{"stream": "odd/x", "value": 2**70}])
    columns = client.data("bench/count", "-1m", granularity="seconds", fields="count")[
        "bench/count"
    ]
    assert set(columns.columns) == {"t", "count"}


@pytest.mark.parametrize("status", [502, 504])
def test_who_followed_waits_for_a_server_that_its_proxy_does_not_reach(status):
    follow = Follow(Api("http://127.0.0.1:8765", 1.0), ["**"], None)
    page = Message(), b"<html>Bad Gateway</html>"
    with pytest.raises(RequestError):
        follow.refused(status, *page)
    follow.feed(b"id: somewhere\n\n")
    follow.refused(status, *page)
    with pytest.raises(RequestError):
        follow.refused(404, *page)


def test_live_readings_come_in_order(client):
    with contextlib.closing(client.live("bench/count")) as live:
        counts = [reading.value for reading in itertools.islice(live, 20)]
    assert counts == list(range(counts[0], counts[0] + 20))


def test_live_goes_on_after_a_restart_without_loss_or_repeats(server, until):
    client = _client(server, until)
    with contextlib.closing(client.live("bench/count")) as live:
        before = list(itertools.islice(live, 20))
        assert server.end(signal.SIGTERM)[0] == 0
        server.start()
        after: list = []
        for reading in live:
            after.append(reading)
            if reading.value == 20 and any(each.value == 1 for each in after):
                break
    stored = client.data("bench/count", "-1m", granularity="raw")["bench/count"]
    seen = [r.value for r in before + after if r.value is not None]
    values = np.asarray(stored.values, float)
    values = values[np.isfinite(values)].tolist()
    start = values.index(seen[0])
    assert seen == values[start : start + len(seen)]


def test_events_tell_what_happens_beside_the_readings(server, until):
    client = _client(server, until)
    with contextlib.closing(client.events("bench/count")) as events:
        assert next(event for event in events if event.kind == "readings").readings()
        server.end(signal.SIGTERM)
        bye = next(event for event in events if event.kind == "bye")
        assert bye.cursor


def test_a_cursor_goes_on_where_another_client_stopped(client):
    with contextlib.closing(client.events("bench/count")) as events:
        event = next(event for event in events if event.kind == "readings")
    last = event.readings()[-1].value
    with contextlib.closing(client.live("bench/count", cursor=event.cursor)) as live:
        assert next(live).value == last + 1


def test_the_page_about_the_client_is_right(server_process, until, capsys):
    server = server_process("devices: {wavemeter: {driver: simulated_wavemeter, period_s: 0.1}}")
    server.start()
    until(lambda: "wavemeter/ch1" in Client(server.address).latest("wavemeter/*"))
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    program = "\n".join(blocks).replace("http://127.0.0.1:8765", server.address)
    exec(compile(program, "docs/client.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "wavemeter/ch1 " in printed
    assert "-32006 " in printed


async def test_the_async_client_does_the_same(shared_server):
    client = AsyncClient(shared_server.address)
    async with contextlib.aclosing(client.live("bench/count")) as live:
        counts = [(await anext(live)).value for _ in range(20)]
    counts = [count for count in counts if count is not None]
    assert counts == list(range(counts[0], counts[0] + len(counts)))
    assert await client.device("bench").set_level(percent=5) == 5
    assert (await client.latest("bench/count"))["bench/count"].value > 0
    assert len(await client.streams("bench/*")) == 2
    assert (await client.devices())[0]["name"] == "bench"
    values = (await client.data("bench/count", start="-1m", points=10))["bench/count"].values
    assert np.nanmax(np.asarray(values, float)) > 0  # the start is marked by a gap
    assert (await client.append([{"stream": "room/t", "value": 1}]))["accepted"] == 1
    with pytest.raises(RpcError):
        await client.call("bench.refuse")


async def test_the_async_client_comes_back_after_a_restart(server):
    client = AsyncClient(server.address)
    async with contextlib.aclosing(client.live("bench/count")) as live:
        before = (await anext(live)).value or 0
        await asyncio.to_thread(server.end, signal.SIGKILL)
        await asyncio.to_thread(server.start)
        async with asyncio.timeout(60):
            async for reading in live:
                if reading.value == 1 and before > 0:
                    break


async def test_the_async_client_says_that_nobody_is_there():
    with contextlib.closing(socket.socket()) as bound:
        bound.bind(("127.0.0.1", 0))
        client = AsyncClient(f"http://127.0.0.1:{bound.getsockname()[1]}")
        with pytest.raises(OSError, match=r"[Cc]onne"):
            await anext(client.live())
        with pytest.raises(OSError, match=r"[Cc]onne"):
            await client.latest()


def test_history_of_arrays_goes_on_live_as_bands_without_a_seam(server_process):
    """What is fetched are samples, what comes live behind their cursor are bands of the rest."""
    server = server_process("devices: {adc: {driver: simulated_adc, period_s: 0.05}}")
    server.start()
    client = Client(server.address)
    history = client.data("adc/light", start="-1s", granularity="raw")
    while len(history.get("adc/light", ())) < 100:
        history = client.data("adc/light", start="-1s", granularity="raw")
    samples = history["adc/light"]
    times_ns = samples["t"][~np.isnan(samples["v"])]
    assert samples["v"].dtype == np.float64
    readings = (each for each in client.live("adc/light", cursor=history.cursor) if each.band)
    for _, reading in zip(range(5), readings, strict=False):
        first_ns = reading.time_ns - (reading.band.count - 1) * 100_000
        assert first_ns - times_ns[-1] == pytest.approx(100_000, abs=1000)
        assert reading.band.minimum <= reading.band.mean <= reading.band.maximum
        times_ns = [reading.time_ns]
