"""The server goes away and comes back: nothing old looks live, and nobody has to reload."""

import os
import signal
from pathlib import Path

import pytest
from playwright.async_api import expect

ROOT = Path(__file__).parents[2]
CONFIG = (ROOT / "config.yaml").read_text("utf-8")
NOTHING = "\u2013"
STOPS = """\
devices:
  hung: {driver: "tests.faults.odd_drivers:Hung", period_s: 0.05, timeout_s: 30}
  steady: {driver: "tests.faults.odd_drivers:Steady", period_s: 0.05}
"""
ONE_GAUGE = """\
devices:
  one:
    driver: serial_line
    period_s: 0.2
    port: sim://gauge
    request: "PR?\\r\\n"
    channels:
      pressure: {{key: chamber, label: {label}, unit: {unit}, scientific: true}}
"""
DYING = """\
from pathlib import Path
from labmon.device import Channel, Driver, InstrumentError

class Dying(Driver):
    value = Channel(unit="V")

    def __init__(self, end: str):
        self.end = Path(end)

    def poll(self):
        if self.end.exists():
            raise InstrumentError("it is gone")
        return {"value": 1.0}
"""


def tile(page, path):
    return page.locator(f'a.tile[data-path="{path}"]')


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_a_restart_of_the_server_needs_no_reload(server_process, open_page, number):
    server = server_process(CONFIG)
    server.start()
    page = await open_page(server.address)
    await page.evaluate("() => { window.sameDocument = true; }")
    number_text = tile(page, "wavemeter/ch1").locator(".num")
    await expect(number_text).to_contain_text("384.23")

    page.labmon_offline = True
    server.end(number)
    await expect(page.locator(".banner")).to_contain_text("lost")
    await expect(page.locator('.lost a.tile[data-path="wavemeter/ch1"]')).to_be_visible()
    await expect(tile(page, "wavemeter/ch1").locator(".age")).to_contain_text(" s")
    server.start()
    await expect(page.locator(".banner")).to_have_count(0)

    old = await number_text.text_content()
    await expect(number_text).not_to_have_text(old)
    assert await page.evaluate("() => window.sameDocument") is True


async def test_a_server_that_stops_answering_is_noticed(server_process, open_page):
    server = server_process(CONFIG)
    server.start()
    page = await open_page(server.address)
    await expect(tile(page, "wavemeter/ch1").locator(".num")).to_contain_text("384.23")
    page.labmon_offline = True
    server.process.send_signal(signal.SIGSTOP)
    try:
        stale = tile(page, "wavemeter/ch1").locator(".age")
        await expect(tile(page, "wavemeter/ch1")).to_have_class("tile is-sim is-stale")
        await expect(stale).to_contain_text("Stale")
    finally:
        server.process.send_signal(signal.SIGCONT)
    await expect(tile(page, "wavemeter/ch1")).to_have_class("tile is-sim")


async def test_an_instrument_that_hangs_turns_stale_beside_one_that_lives(
    server_process, open_page
):
    server = server_process(STOPS)
    server.start()
    page = await open_page(server.address)
    await expect(tile(page, "hung/value")).to_have_class("tile is-stale")
    await expect(tile(page, "hung/value").locator(".age")).to_contain_text("Stale")
    await expect(tile(page, "steady/count")).to_have_class("tile")


async def test_a_device_that_goes_offline_keeps_no_age(server_process, open_page, tmp_path):
    (tmp_path / "dying.py").write_text(DYING)
    path = os.pathsep.join(map(str, (tmp_path, ROOT, ROOT / "drivers")))
    server = server_process(
        f'devices: {{one: {{driver: "dying:Dying", period_s: 0.05, end: "{tmp_path}/end"}}}}',
        environment={"PYTHONPATH": path},
    )
    server.start()
    page = await open_page(server.address)
    age = tile(page, "one/value").locator(".age")
    await expect(age).to_contain_text("ago")
    (tmp_path / "end").touch()
    await expect(page.locator(".card header")).to_contain_text("Offline")
    await expect(tile(page, "one/value").locator(".num")).to_contain_text("no value")
    await expect(age).to_have_text("")
    (tmp_path / "end").unlink()
    await expect(age).to_contain_text("ago")


async def test_the_graph_fills_what_it_missed(server_process, open_page):
    server = server_process(CONFIG)
    server.start()
    page = await open_page(f"{server.address}/graph?streams=wavemeter/ch1&start=-2m")
    readings = page.locator("tbody tr").first.locator("td.n").last
    await expect(readings).not_to_have_text("0")
    page.labmon_offline = True
    server.end(signal.SIGKILL)
    server.start()
    stored = server.get("/api/v1/streams?path=wavemeter/ch1")["streams"][0]["count"]
    await page.wait_for_function(
        """(least) => {
            const cells = document.querySelectorAll('tbody tr td.n');
            const text = cells[cells.length - 1]?.textContent ?? '';
            return Number(text.replace(/\\D/g, '')) > least;
        }""",
        arg=stored,
    )


async def test_a_restart_with_other_units_is_believed(server_process, open_page):
    """Or the numbers of one unit would stand beside the word of another."""
    server = server_process(ONE_GAUGE.format(label="Chamber", unit="mbar"))
    server.start()
    pages = [await open_page(server.address + path) for path in ("/", "/?kiosk=1", "/devices/one")]
    for page in pages:
        await expect(page.locator("main")).to_contain_text("mbar")
        page.labmon_offline = True
    graph = await open_page(f"{server.address}/graph?streams=one/pressure&start=-5m")
    await expect(graph.locator(".now")).not_to_have_text(NOTHING)
    graph.labmon_offline = True
    server.end()
    server.config.write_text(ONE_GAUGE.format(label="Load lock", unit="Torr"))
    server.start()
    for page in pages:
        await expect(page.locator("main")).to_contain_text("Torr")
        await expect(page.locator("main .cards, .wg, .ct")).to_contain_text("Load lock")
        await expect(page.locator("main .cards, .wg, .ct")).not_to_contain_text("mbar")
    # the store keeps what it has in mbar, and that is said
    await expect(pages[0].locator(".banner.warn")).to_contain_text(
        "Not all readings of one/pressure are recorded"
    )
    await expect(graph.locator("h1")).to_have_text("Load lock")
    await expect(graph.locator(".axn")).to_contain_text("mbar")
    await expect(graph.locator(".now")).to_have_text(NOTHING)


async def test_an_upgrade_of_the_server_brings_its_pages(server_process, open_page, tmp_path):
    """A wall has nobody to reload it; everybody else is told, and gets them with the next link."""
    other = "import labmon\nlabmon.__version__ = '9.9.9'\n"
    (tmp_path / "sitecustomize.py").write_text(other)
    server = server_process(ONE_GAUGE.format(label="Chamber", unit="mbar"))
    server.start()
    page, wall = [await open_page(server.address + path) for path in ("/", "/?kiosk=1")]
    for one in (page, wall):
        await expect(one.locator("main")).to_contain_text("mbar")
        await one.evaluate("() => { window.sameDocument = true; }")
        one.labmon_offline = True
    server.end()
    server.environment["PYTHONPATH"] = os.pathsep.join(map(str, (tmp_path, ROOT, ROOT / "drivers")))
    server.start()
    await expect(page.locator(".banner")).to_contain_text("now labmon 9.9.9")
    await page.get_by_role("link", name="Streams").first.click()
    await expect(page.locator("h1")).to_have_text("Streams")
    assert await page.evaluate("() => window.sameDocument") is None
    await expect(page.locator(".banner")).to_have_count(0)
    await wall.wait_for_function("() => window.sameDocument === undefined")
    await expect(wall.locator(".wt")).to_contain_text("mbar")
