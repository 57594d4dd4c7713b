"""What is pushed stands beside what is polled, and neither spoils the questions for the other."""

import pytest

from labmon import config
from labmon.app import App

CONFIG = "devices:\n  wavemeter: {driver: simulated_wavemeter, period_s: 0.02}\n"


@pytest.fixture
async def app(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG)
    app = App(config.load(path, port=0, data_dir=tmp_path / "data"))
    await app.start()
    yield app
    await app.stop()


@pytest.fixture
def client(app):
    from labmon.client import AsyncClient

    return AsyncClient(app.address)


async def test_nobody_pushes_into_what_a_device_reports(client):
    answer = await client.append(
        [{"stream": "wavemeter/ch1", "value": 1.0}, {"stream": "room/t", "value": 21.5}]
    )
    assert answer["accepted"] == 1
    assert answer["rejected"][0]["reason"] == "wavemeter/ch1 is fed by the device wavemeter"


async def test_words_do_not_spoil_the_rollups_of_all_streams(client):
    await client.append(
        [{"stream": "room/t", "value": 21.5}, {"stream": "room/note", "value": "door open"}]
    )
    found = await client.data("room/*", start="-1h", granularity="minutes")
    assert list(found) == ["room/t"]


async def test_words_that_are_named_are_asked_for_raw(client):
    await client.append([{"stream": "room/note", "value": "door open"}])
    with pytest.raises(Exception, match=r"room/note is never downsampled: ask for granularity=raw"):
        await client.data("room/note", start="-1h", granularity="minutes")
