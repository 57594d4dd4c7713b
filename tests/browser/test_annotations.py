"""Writing on the graph with mouse and keyboard; everybody sees it, as text, and at once."""

import re

import pytest
from playwright.async_api import expect

from tests.conftest import ServerProcess

GRAPH = "/graph?streams=lab/value&start=-1h&end=now"
EVIL = "<img src=x onerror=alert(1)> relocked"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = ServerProcess(tmp_path_factory.mktemp("notes"), "devices: {}\n")
    server.start()
    now = server.get("/api/v1/latest")["now"]
    times = [now - 3600 + i * 10 for i in range(360)]
    body = [{"stream": "lab/value", "time": time, "value": time % 7} for time in times]
    server.post("/api/v1/append", body)
    yield server
    server.close()


async def area(page):
    """Where the plot is, once its lines are there: the plot is made anew for them."""
    await expect(page.locator(".lg tbody td.n").nth(2)).to_have_text(re.compile(r"\d"))
    return await page.locator(".uplot .u-over").evaluate("each => each.getBoundingClientRect()")


async def test_one_is_written_by_mouse_and_seen_by_others_who_change_and_delete_it(
    server, open_page, until
):
    page, other = await open_page(server.address + GRAPH), await open_page(server.address + GRAPH)
    box = await area(page)
    await area(other)
    await page.get_by_role("button", name="Annotate").click()
    await page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    await page.get_by_label("Text").fill(EVIL)
    await page.get_by_role("button", name="Save").click()
    for each in (page, other):
        await expect(each.locator(".gflags button")).to_have_text(EVIL)
        await expect(each.locator(".notes tbody tr")).to_contain_text("local")
        await expect(each.locator(".gflags img, .notes img")).to_have_count(0)
    await other.locator(".gflags button").click()
    await expect(other.get_by_role("dialog")).to_contain_text("by local")
    await other.get_by_label("Text").fill("relocked")
    await other.get_by_role("button", name="Save").click()
    await expect(page.locator(".gflags button")).to_have_text("relocked")
    await other.get_by_role("button", name="Edit").click()
    await other.get_by_role("button", name="Delete").click()
    await other.get_by_role("button", name="Really delete").click()
    await expect(page.locator(".gflags button")).to_have_count(0)
    await expect(page.locator(".notes")).to_have_count(0)

    def recorded():
        log = server.get("/api/v1/data?stream=labmon/_commands&start=-1h")["streams"][0]["v"]
        return [one["command"].split(".")[1] for one in log]

    until(lambda: recorded() == ["add", "change", "remove"], what="the record of all three")


async def test_one_over_a_range_is_dragged_and_the_view_stays(server, open_page):
    page = await open_page(server.address + GRAPH)
    box = await area(page)
    before = page.url
    await page.get_by_role("button", name="Annotate").click()
    middle = box["y"] + box["height"] / 2
    await page.mouse.move(box["x"] + box["width"] * 0.3, middle)
    await page.mouse.down()
    await page.mouse.move(box["x"] + box["width"] * 0.6, middle, steps=5)
    await page.mouse.up()
    await expect(page.get_by_label("To", exact=True).last).not_to_have_value("")
    await page.get_by_label("Text").fill("pump off")
    await page.get_by_role("button", name="Save").click()
    note = page.locator(".gnote.is-range")
    await expect(note).to_have_text("pump off")
    width = await note.evaluate("each => each.getBoundingClientRect().width")
    assert abs(width - 0.3 * box["width"]) < 8
    assert page.url == before


async def test_one_is_written_by_keyboard_alone(server, open_page):
    page = await open_page(server.address + GRAPH)
    await area(page)
    await page.locator("#plot").focus()
    await page.keyboard.press("a")
    await expect(page.get_by_label("Text")).to_be_focused()
    await page.keyboard.type("by keyboard")
    await page.keyboard.press("Control+Enter")
    await expect(page.locator(".gflags button", has_text="by keyboard")).to_be_visible()
    await expect(page.get_by_role("dialog")).to_have_count(0)  # the flag may be there before
    await page.keyboard.press("a")
    await expect(page.get_by_label("Text")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)


async def test_what_is_refused_is_said_and_nothing_is_lost(server, open_page):
    page = await open_page(server.address + GRAPH)
    await area(page)
    await page.locator("#plot").focus()
    await page.keyboard.press("a")
    await page.get_by_label("Text").fill("too early")
    await page.get_by_label("To", exact=True).last.fill("-2d")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("alert")).to_have_text(re.compile("after the start"))
    await expect(page.get_by_label("Text")).to_have_value("too early")


async def test_a_phone_has_room_for_it(server, open_page):
    page = await open_page(server.address + GRAPH, width=360, height=740, has_touch=True)
    box = await area(page)
    await page.get_by_role("button", name="Annotate").tap()
    await page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    await page.get_by_label("Text").fill("from bed")
    assert await page.evaluate("() => document.documentElement.scrollWidth") <= 360
    await page.get_by_role("button", name="Save").tap()
    await expect(page.locator(".gflags button", has_text="from bed")).to_be_visible()


OPENED_AS_IT_CLOSED = """() => new Promise((done) => {
    const dialog = document.querySelector('.notedlg');
    const open = () => document.querySelector('.notes tbody button').click();
    const seen = new MutationObserver(() => { if (!dialog.open) open(); seen.disconnect(); });
    seen.observe(dialog, {attributes: true, attributeFilter: ['open']});
    dialog.addEventListener('close', () => setTimeout(done), {once: true});
    [...dialog.querySelectorAll('button')].find((each) => each.textContent === 'Cancel').click();
})"""


async def test_one_that_is_opened_while_another_closes_stays_open(server, open_page):
    """Browsers tell that a dialog has closed a moment later, on a busy machine after a click."""
    page = await open_page(server.address + GRAPH)
    await area(page)
    await page.locator("#plot").focus()
    await page.keyboard.press("a")
    await page.get_by_label("Text").fill("once more")
    await page.get_by_role("button", name="Save").click()
    await page.locator(".notes").get_by_role("button", name="Edit").first.click()
    await expect(page.get_by_role("dialog")).to_be_visible()
    await page.evaluate(OPENED_AS_IT_CLOSED)
    await page.get_by_label("Text").fill("changed")
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator(".notes")).to_contain_text("changed")
