"""Hundreds of streams: a page makes of them what is in view, or nearly, and that is live."""

import re
from contextlib import closing
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.async_api import expect

from tests.conftest import ServerProcess

DEVICES, CHANNELS = 10, 50
DRIVER = 'driver: "tests.faults.odd_drivers:Many", period_s: 0.5'
CONFIG = "devices:\n" + "".join(f"  dev{n}: {{{DRIVER}}}\n" for n in range(DEVICES))
FIRST, LAST = "dev0/c0", f"dev{DEVICES - 1}/c{CHANNELS - 1}"
NUMBER = re.compile(r"\d")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with closing(ServerProcess(tmp_path_factory.mktemp("many"), CONFIG)) as server:
        server.start()
        yield server


def tile(page, path):
    return page.locator(f'a.tile[data-path="{path}"]')


def painted(page):
    return page.locator("a.tile:has(.num)")


def history_of(page):
    """The streams whose history the page asks for from now on."""
    paths = []

    def asked(request):
        address = urlsplit(request.url)
        if address.path == "/api/v1/data":
            paths.extend(parse_qs(address.query)["stream"])

    page.on("request", asked)
    return paths


async def test_a_tile_that_nobody_sees_holds_no_value_and_asks_for_no_history(server, open_page):
    page = await open_page(server.address + "/status")
    history = history_of(page)
    await page.get_by_role("link", name="Overview").first.click()
    await expect(tile(page, FIRST).locator(".num")).to_have_text(NUMBER)
    await expect(tile(page, FIRST).locator(".spark path").nth(1)).to_have_attribute("d", NUMBER)
    await expect(page.locator("a.tile")).to_have_count(DEVICES * CHANNELS)
    await expect(page.get_by_text("Running")).to_have_count(DEVICES)
    assert await painted(page).count() < DEVICES * CHANNELS / 2
    assert FIRST in history
    assert LAST not in history

    await expect(tile(page, LAST)).to_have_text(f"c{CHANNELS - 1}")
    await tile(page, LAST).scroll_into_view_if_needed()
    await expect(tile(page, LAST).locator(".num")).to_have_text(NUMBER)
    await expect(tile(page, LAST).locator(".age")).to_contain_text("ago")
    await expect(tile(page, LAST).locator(".spark path").nth(1)).to_have_attribute("d", NUMBER)
    assert LAST in history

    await expect(tile(page, FIRST)).to_have_text("c0")  # and no old value that looks live
    await expect(tile(page, FIRST)).not_to_have_attribute("title", NUMBER)


async def test_a_tile_is_reached_by_the_keyboard_and_leads_to_its_graph(server, open_page):
    page = await open_page(server.address)
    await expect(tile(page, FIRST).locator(".num")).to_have_text(NUMBER)
    await page.get_by_role("link", name=f"dev{DEVICES - 1}").focus()
    for _ in range(CHANNELS):
        await page.keyboard.press("Tab")
    await expect(tile(page, LAST)).to_be_focused()
    await expect(tile(page, LAST).locator(".num")).to_have_text(NUMBER)
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**/graph?streams={LAST}**")


async def test_the_tiles_that_are_found_are_painted(server, open_page):
    page = await open_page(server.address)
    await expect(tile(page, FIRST).locator(".num")).to_have_text(NUMBER)
    await page.get_by_role("searchbox").fill(f"c{CHANNELS - 1}")
    await expect(page.locator("a.tile")).to_have_count(DEVICES)
    await expect(painted(page)).to_have_count(DEVICES)
    await expect(page.get_by_text("Running")).to_have_count(DEVICES)
    await page.get_by_role("searchbox").fill("")
    await expect(page.locator("a.tile")).to_have_count(DEVICES * CHANNELS)
    await expect(tile(page, FIRST).locator(".num")).to_have_text(NUMBER)


async def test_on_paper_are_all_values(server, open_page):
    page = await open_page(server.address)
    await expect(tile(page, FIRST).locator(".num")).to_have_text(NUMBER)
    await page.evaluate(
        """() => addEventListener('beforeprint', () => {
            const tiles = document.querySelectorAll('a.tile .num');
            window.printed = [...tiles].filter((number) => /\\d/.test(number.textContent)).length;
        })"""
    )
    await page.pdf()
    assert await page.evaluate("window.printed") == DEVICES * CHANNELS
    await expect(tile(page, LAST)).to_have_text(f"c{CHANNELS - 1}")


async def test_the_streams_of_a_graph_are_chosen_from_a_short_list(server, open_page):
    page = await open_page(server.address + "/graph")
    choices = page.locator(".choice")
    await expect(choices).to_have_count(100)
    await expect(page.get_by_text(f"{DEVICES * CHANNELS - 100} more")).to_be_visible()
    await page.get_by_role("button", name="Show 100").click()
    await expect(choices).to_have_count(200)
    await page.get_by_role("searchbox").fill(LAST)
    await expect(choices).to_have_count(1)
    await choices.click()
    await page.get_by_role("searchbox").fill("")
    await expect(choices).to_have_count(201)  # what is chosen stays to be seen
    await expect(choices.last).to_contain_text(LAST)
    await page.get_by_role("button", name="Draw 1 stream").click()
    await expect(page.locator("h1")).to_have_text(f"c{CHANNELS - 1}")
