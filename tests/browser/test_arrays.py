"""What a person sees of a fast instrument: its band, in a sparkline and at the end of a graph."""

import re

import pytest
from playwright.async_api import expect

CONFIG = "devices: {adc: {driver: simulated_adc, title: Digitiser, period_s: 0.1}}"
NUMBER = re.compile(r"[\d.]+")
TALL = """(selector) => {
    const path = document.querySelector(selector)?.getAttribute('d') ?? '';
    const ys = [...path.matchAll(/[\\d.]+ ([\\d.]+)/g)].map(([, y]) => Number(y));
    return Math.max(...ys) - Math.min(...ys) > 15;
}"""


@pytest.fixture
def server(server_process):
    server = server_process(CONFIG)
    server.start()
    return server


async def test_a_tile_shows_the_newest_sample_and_the_band_of_all(server, open_page):
    page = await open_page(server.address)
    tile = page.locator('a.tile[data-path="adc/light"]')
    await expect(tile.locator(".num")).to_have_text(re.compile(r"[12]\.\d{3}"))
    # the light was out for 3 ms as it began: no mean of 4 s tells of it
    await page.wait_for_function(TALL, arg='a.tile[data-path="adc/light"] path.band')
    await expect(tile).to_contain_text("Simulated")


async def test_the_live_end_of_a_graph_has_the_band_of_every_array(server, open_page):
    page = await open_page(f"{server.address}/graph?streams=adc/light&start=-1m")
    row = page.locator("table tbody tr", has_text="Laser light")
    readings, spread = row.locator("td").nth(7), row.locator("td").nth(5)
    await expect(readings).to_have_text(re.compile(r"\d{2}"))

    before = float(re.sub(r"[^\d.]", "", await readings.text_content()))
    await page.wait_for_function(
        """(least) => {
            const rows = [...document.querySelectorAll('table tbody tr')];
            const row = rows.find((row) => row.textContent.includes('Laser light'));
            return row && Number(row.cells[7].textContent.replace(/[^\\d.]/g, '')) > least;
        }""",
        arg=before + 20_000,
    )
    assert float(NUMBER.search(await spread.text_content())[0]) > 1.8
    mean = float(NUMBER.search(await row.locator("td").nth(3).text_content())[0])
    assert mean == pytest.approx(2.0, abs=0.1)
