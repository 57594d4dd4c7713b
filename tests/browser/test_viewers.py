"""Who may only watch is told so before he tries, also when that changes under an open page."""

import pytest_asyncio
from playwright.async_api import expect

from labmon import config
from labmon.app import App
from labmon.web import security
from tests.conftest import HeldPort

CONFIG = """
server: {anonymous: viewer}
store: "memory:"
devices: {supply: {driver: scpi, port: "sim://scpi", channels: {voltage: {query: "MEAS:VOLT?"}},
  actions: {reset: {send: ["*RST"]}}}}
"""
WHY = "Only an operator may: you are a viewer here"
GRAPH = "/graph?streams=supply/voltage&start=-5m&end=now"


@pytest_asyncio.fixture(loop_scope="session")
async def start_app(tmp_path, monkeypatch):
    """A factory: `await start_app(is_local=False)` is a server for which all are strangers.

    Its address is always the same.
    """
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG)
    apps, held_port = [], HeldPort()

    async def start_app(*, is_local):
        monkeypatch.setattr(security, "is_local", lambda _request: is_local)
        apps.append(App(config.load(path, port=held_port.number)))
        await apps[-1].start()
        return apps[-1]

    yield start_app
    await apps[-1].stop()
    held_port.close()


def button(page, name):
    return page.get_by_role("button", name=name, exact=True)


async def test_a_viewer_sees_why_nothing_of_a_device_can_be_pressed(start_app, open_page):
    app = await start_app(is_local=False)
    page = await open_page(f"{app.address}/devices/supply")
    run = button(page, "Run reset")
    await expect(run).to_be_disabled()
    await expect(run).to_have_accessible_description(WHY)
    for name in ("Reconnect", "Disable"):
        await expect(button(page, name)).to_be_disabled()
        about = f"Nobody holds the lease {WHY}"
        await expect(button(page, name)).to_have_accessible_description(about)
    await expect(page.locator(".lease").get_by_role("button")).to_have_count(0)


async def test_a_viewer_reads_annotations_and_is_told_why_he_writes_none(start_app, open_page):
    app = await start_app(is_local=False)
    page = await open_page(app.address + GRAPH)
    annotate, hint = button(page, "Annotate"), page.locator(".marking")
    await expect(annotate).to_have_attribute("aria-disabled", "true")
    await annotate.dispatch_event("click")  # wherever the page has moved it by now
    await expect(hint).to_contain_text(WHY)
    await button(page, "Close").click()
    await expect(hint).to_have_count(0)
    await page.locator("#plot").focus()
    await page.keyboard.press("a")
    await expect(hint).to_contain_text(WHY)
    await expect(page.get_by_role("dialog")).to_have_count(0)


async def test_an_open_page_follows_what_its_viewer_becomes(start_app, open_page):
    app = await start_app(is_local=True)
    page = await open_page(f"{app.address}/devices/supply")
    page.labmon_offline = True
    run = button(page, "Run reset")
    await expect(run).to_be_enabled()
    for is_local in (False, True):
        await app.stop()
        app = await start_app(is_local=is_local)
        await expect(run).to_have_accessible_description("" if is_local else WHY)
        await expect(run).to_be_enabled(enabled=is_local)


async def to_login(route):
    await route.fulfill(status=302, headers={"Location": "/login"})


async def test_a_page_that_is_no_longer_let_in_says_so(start_app, open_page):
    app = await start_app(is_local=True)
    page, wall = [await open_page(app.address + path) for path in ("/", "/?kiosk=1")]
    await expect(page.locator(".conn")).to_contain_text("Live")
    for each in (page, wall):
        each.labmon_offline = True  # before it is away: a page tries again at once
    await app.stop()
    for each in (page, wall):
        await each.route("**/api/v1/latest**", to_login)
        await each.route_web_socket("**/api/v1/ws", lambda socket: socket.close())
    await start_app(is_local=True)
    await expect(page.locator(".banner")).to_contain_text("refuses: you are no longer signed in.")
    await expect(button(page, "Load it anew")).to_be_visible()
    await expect(wall.locator(".wlost")).to_contain_text("Not let in since")
