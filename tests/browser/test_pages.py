"""What a person sees: values that change, a graph that zooms, a command and its readback."""

import re
from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.async_api import expect

from tests.conftest import ServerProcess

CONFIG = (Path(__file__).parents[2] / "config.yaml").read_text("utf-8")
SUPPLY = """\
  supply:
    driver: scpi
    port: sim://scpi
    channels: {voltage: {query: "MEAS:VOLT?", unit: V}}
    actions:
      reset: {send: ["*RST"], confirm: "Back to the factory?"}
"""
TILE = 'a.tile[data-path="{}"]'
PAGES = (
    "/",
    "/graph?streams=wavemeter/ch1",
    "/devices",
    "/devices/wavemeter",
    "/streams",
    "/status",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with closing(ServerProcess(tmp_path_factory.mktemp("pages"), CONFIG + SUPPLY)) as server:
        server.start()
        now = server.get("/api/v1/latest")["now"]
        full = range(4200)  # of a block
        body = [{"stream": "old/full", "time": now - 5000 + i, "value": i % 7} for i in full]
        server.post("/api/v1/append", body)
        yield server


def tile(page, path):
    return page.locator(TILE.format(path))


async def values_seen(page, path, count):
    """The first `count` different texts of a tile's value, once there is one."""
    await expect(tile(page, path).locator(".num")).to_have_text(re.compile(r"\d"))
    return await page.evaluate(
        """([selector, count]) => new Promise((done) => {
            const seen = [];
            const look = () => {
                const text = document.querySelector(selector).textContent;
                if (seen.at(-1) !== text) seen.push(text);
                if (seen.length >= count) done(seen); else requestAnimationFrame(look);
            };
            look();
        })""",
        [TILE.format(path) + " .num", count],
    )


async def test_the_overview_shows_values_that_change(server, open_page):
    page = await open_page(server.address)
    seen = await values_seen(page, "wavemeter/ch1", 5)
    assert all(re.fullmatch(r"384\.23\d{7}", text) for text in seen)
    await expect(tile(page, "wavemeter/ch1")).to_contain_text("THz")
    await expect(tile(page, "wavemeter/ch1")).to_contain_text("Simulated")
    await expect(tile(page, "wavemeter/ch7")).to_contain_text("No signal")
    await expect(tile(page, "host/cpu")).not_to_contain_text("Simulated")
    await expect(tile(page, "gauge/chamber")).to_contain_text("mbar")
    await expect(page.locator("header.top, .top")).to_contain_text("Live")


async def test_a_value_is_copied_as_a_plain_number(server, open_page):
    page = await open_page(server.address)
    number = tile(page, "gauge/chamber").locator(".num")
    await expect(number).to_have_text(re.compile(r"\d"))
    copied = await number.evaluate(
        """(element) => {
            const range = document.createRange();
            range.selectNodeContents(element);
            const selection = getSelection();
            selection.removeAllRanges();
            selection.addRange(range);
            const data = new DataTransfer();
            const options = {clipboardData: data, bubbles: true, cancelable: true};
            const event = new ClipboardEvent('copy', options);
            element.dispatchEvent(event);
            return event.defaultPrevented ? data.getData('text/plain') : selection.toString();
        }"""
    )
    assert float(copied) > 0


async def test_search_and_groups_narrow_the_overview(server, open_page):
    page = await open_page(server.address)
    await expect(tile(page, "host/cpu")).to_be_visible()
    await page.keyboard.press("/")
    await expect(page.get_by_role("searchbox")).to_be_focused()
    await page.keyboard.type("rb")
    await expect(tile(page, "host/cpu")).to_be_hidden()
    await expect(tile(page, "wavemeter/ch1")).to_be_visible()
    await page.get_by_role("link", name="Overview").first.click()
    await expect(tile(page, "host/cpu")).to_be_visible()
    await expect(page).to_have_url(server.address + "/")


async def test_the_wall_is_for_looking_from_far_away(server, open_page):
    page = await open_page(f"{server.address}/?kiosk=1", width=1920, height=1080)
    await expect(page.get_by_text("384.23").first).to_be_visible()
    await expect(page.get_by_role("navigation")).to_have_count(0)
    await page.goto(f"{server.address}/?kiosk=1&group=Laser")
    await expect(page.get_by_text("No channel matches group “Laser”")).to_be_visible()


async def drawn(page):
    """Wait until a curve is drawn."""
    await expect(page.locator(".uplot canvas").first).to_be_visible()
    await page.wait_for_function(
        """() => {
            const canvas = document.querySelector('.uplot canvas');
            const {width, height} = canvas;
            // a copy: Chromium complains of a canvas on its card that is read again and again
            const copy = new OffscreenCanvas(width, height);
            const context = copy.getContext('2d', {willReadFrequently: true});
            context.drawImage(canvas, 0, 0);
            const data = context.getImageData(0, 0, width, height).data;
            for (let i = 0; i < data.length; i += 4) {
                const [r, g, b] = data.slice(i, i + 3);
                if (data[i + 3] > 128 && Math.max(r, g, b) - Math.min(r, g, b) > 60) return true;
            }
            return false;
        }"""
    )


def view(page):
    return {key: values[0] for key, values in parse_qs(urlsplit(page.url).query).items()}


async def test_a_graph_is_drawn_and_its_live_end_moves_on(server, open_page):
    page = await open_page(f"{server.address}/graph?streams=wavemeter/ch1&start=-1m")
    await drawn(page)
    now = page.locator("td.now").first
    await expect(now).to_have_text(re.compile(r"\d"))
    first = await now.text_content()
    await expect(now).not_to_have_text(first)


async def test_dragging_zooms_in_fetches_finer_data_and_a_double_click_goes_back(server, open_page):
    # a day of history, so that what is shown are rollups, and zooming needs finer ones
    now = server.get("/api/v1/latest")["now"]
    body = [
        {"stream": "old/value", "time": now - 86400 + i * 60, "value": i % 7} for i in range(1440)
    ]
    server.post("/api/v1/append", body)
    page = await open_page(f"{server.address}/graph?streams=old/value&start=-1d&end=now")
    await drawn(page)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    before = view(page)
    box = await page.locator(".uplot .u-over").bounding_box()
    middle = box["y"] + box["height"] / 2
    await page.mouse.move(box["x"] + box["width"] * 0.4, middle)
    await page.mouse.down()
    await page.mouse.move(box["x"] + box["width"] * 0.6, middle, steps=5)
    await page.mouse.up()
    await _until(page, lambda: any("/api/v1/data" in url for url in asked))
    await _until(page, lambda: view(page) != before)
    await page.mouse.dblclick(box["x"] + box["width"] / 2, middle)
    await _until(page, lambda: view(page).get("start") == before.get("start"))


async def _until(page, condition):
    """Let the page run until a condition on this side holds."""
    for _ in range(1800):
        if condition():
            return
        await page.evaluate("() => new Promise(requestAnimationFrame)")
    pytest.fail("it did not come within thirty seconds of frames")


async def test_a_graph_is_printed_whole_and_dark_on_light(server, open_page):
    page = await open_page(f"{server.address}/graph?streams=wavemeter/ch1", color_scheme="dark")
    await drawn(page)
    shown = "() => getComputedStyle(document.documentElement).colorScheme"
    before = await page.evaluate(shown)
    await page.emulate_media(media="print")
    await page.evaluate("() => dispatchEvent(new Event('beforeprint'))")
    assert await page.evaluate(shown) == "light"
    await page.set_viewport_size({"width": 700, "height": 900})
    await page.wait_for_function(
        """() => {
            const boxOf = (selector) => document.querySelector(selector).getBoundingClientRect();
            const [card, canvas] = ['.gcard', '.uplot canvas'].map(boxOf);
            return canvas.height > 100 && canvas.right <= card.right && card.right <= 700;
        }"""
    )
    await expect(page.locator(".nav")).to_be_hidden()
    await expect(page.get_by_role("button", name="PNG")).to_be_hidden()
    await page.evaluate("() => dispatchEvent(new Event('afterprint'))")
    assert await page.evaluate(shown) == before


async def test_a_command_is_sent_and_its_readback_changes(server, open_page):
    page = await open_page(f"{server.address}/devices/wavemeter")
    await page.get_by_label("Command", exact=True).select_option("set_exposure")
    await page.get_by_label("Channel", exact=True).fill("3")
    await page.get_by_label("Milliseconds").fill("123")
    await page.get_by_role("button", name="Run set_exposure").click()
    await expect(page.get_by_text("Done in")).to_be_visible()
    row = page.locator("tr", has_text="Exposure 3")
    await expect(row).to_contain_text("123")
    recent = page.locator('section[aria-labelledby="h-recent"]')
    await expect(recent).to_contain_text("set_exposure")


async def test_a_double_click_or_a_held_key_is_no_yes(server, open_page):
    page = await open_page(f"{server.address}/devices/supply")
    await page.get_by_label("Command", exact=True).select_option("reset")
    run, no, yes = (
        page.get_by_role("button", name=name, exact=True)
        for name in ("Run reset", "No", "Yes, run reset")
    )
    await run.dblclick()
    await expect(page.get_by_text("Back to the factory?")).to_be_visible()
    await no.click()
    await expect(run).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(no).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(run).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(no).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(run).to_be_focused()
    await expect(page.get_by_text("Done in")).to_have_count(0)
    await run.click()
    await yes.click()
    await expect(page.get_by_text("Done in")).to_be_visible()


async def test_a_value_out_of_limits_is_refused_where_it_is_typed(server, open_page):
    page = await open_page(f"{server.address}/devices/wavemeter")
    await page.get_by_label("Command", exact=True).select_option("set_exposure")
    await page.get_by_label("Milliseconds").fill("99999")
    await expect(page.get_by_text("at most 2000")).to_be_visible()
    await expect(page.get_by_role("button", name="Run set_exposure")).to_be_disabled()


async def test_streams_are_listed(server, open_page):
    page = await open_page(f"{server.address}/streams")
    await expect(page.get_by_text("wavemeter/ch1", exact=True)).to_be_visible()
    await expect(page.get_by_text("wavemeter/_state", exact=True)).to_have_count(0)


async def test_streams_are_sorted_by_what_they_take(server, open_page):
    page = await open_page(f"{server.address}/streams")
    sizes = page.locator("td.siz")
    await page.get_by_role("button", name="Size").click()
    await expect(page.get_by_role("columnheader", name="Size")).to_have_attribute(
        "aria-sort", "descending"
    )
    await expect(sizes.first).to_have_text(re.compile(r"\d(k|M)?B"))
    await expect(page.locator("td.eac").first).to_have_text(re.compile(r"^\d+\.\dB$"))
    await page.get_by_role("button", name="Size").click()
    await expect(page.get_by_role("columnheader", name="Size")).to_have_attribute(
        "aria-sort", "ascending"
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_page_fits_a_phone(server, open_page, scheme):
    page = await open_page(
        server.address, width=360, height=740, color_scheme=scheme, has_touch=True
    )
    for path in PAGES:
        await page.goto(server.address + path)
        await expect(page.get_by_role("main")).to_be_visible()
        wide = await page.evaluate("() => document.documentElement.scrollWidth")
        assert wide <= 360, f"{path} is {wide} px wide"


async def test_the_status_page_says_how_labmon_is(server, open_page):
    page = await open_page(f"{server.address}/status")
    store = page.get_by_role("region", name="Store")
    await expect(store).to_contain_text(re.compile(r"Recording\s*yes"))
    await expect(store).to_contain_text(re.compile(r"Readings\s*\d+ /s"))
    await expect(page.get_by_role("region", name="Live viewers")).to_contain_text("1 msgpack")
    row = page.get_by_role("row").filter(has_text="Wavemeter")
    await expect(row).to_contain_text(re.compile(r"Running.*\d"))
    await expect(page.locator("main")).not_to_contain_text("NaN")
