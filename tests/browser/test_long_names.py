"""Names and units may be as long as they like: the values beside them stay readable."""

import pytest
import pytest_asyncio

from labmon import config
from labmon.app import App

CONFIG = """
store: "memory:"
devices:
  supply:
    driver: scpi
    port: "sim://scpi"
    channels:
      voltage:
        query: "MEAS:VOLT?"
        unit: photoelectrons per second per square millimetre per nanometre
        label: Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft
"""
PAGES = ("/", "/devices/supply", "/graph?streams=supply/voltage&start=-5m&end=now", "/streams")
NUMBER = ".tile .num, .ct .num, .lg td.now, .sl .val"
SEEN = f"""() => {{
    const number = document.querySelector('{NUMBER}');
    if (!/[0-9]/.test(number?.textContent)) return false;
    const card = number.closest('.card');
    const [box, frame] = [number, card].map((each) => each.getBoundingClientRect());
    const isWithin = box.right <= frame.right || getComputedStyle(card).overflowX === 'auto';
    return [box.width > 8, isWithin, document.documentElement.scrollWidth];
}}"""


@pytest_asyncio.fixture(loop_scope="session")
async def address(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG, "utf-8")
    app = App(config.load(path, port=0))
    await app.start()
    yield app.address
    await app.stop()


@pytest.mark.parametrize("width", [360, 1280])
async def test_the_value_is_seen_and_the_page_is_no_wider_than_the_screen(
    address, open_page, width
):
    page = await open_page(address, width=width)
    for path in PAGES:
        await page.goto(address + path)
        found = await page.wait_for_function(SEEN)
        assert await found.json_value() == [True, True, width], path
