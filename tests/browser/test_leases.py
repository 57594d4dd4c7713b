"""Who may command a device alone, as its page shows it: live, and taken over after a question."""

import asyncio

import pytest_asyncio
from playwright.async_api import expect

from labmon import config
from labmon.app import App
from labmon.control.caller import Caller

CONFIG = """
store: "memory:"
devices: {supply: {driver: scpi, port: "sim://scpi", channels: {voltage: {query: "MEAS:VOLT?"}},
  actions: {reset: {send: ["*RST"]}}}}
"""
ANN = Caller("ann", "operator", "192.0.2.7")
BOB = Caller("bob", "operator", "192.0.2.8")


@pytest_asyncio.fixture(loop_scope="session")
async def app(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG)
    app = App(config.load(path, port=0))
    await app.start()
    yield app
    await app.stop()


def button(page, name):
    return page.get_by_role("button", name=name, exact=True)


async def until(condition):
    """Wait while the server, which runs on this loop, goes on."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - nothing tells when it comes true
            await asyncio.sleep(0.02)


async def test_the_page_follows_a_lease_from_hand_to_hand_until_it_ends(app, open_page):
    page = await open_page(f"{app.address}/devices/supply")
    box, run = page.locator(".lease"), button(page, "Run reset")
    await expect(box).to_contain_text("Nobody holds the lease")
    await expect(run).to_be_enabled()
    app.leases.acquire("supply", ANN, 600)
    await expect(box).to_contain_text("ann holds the lease")
    await expect(run).to_be_disabled()
    await expect(button(page, "Reconnect")).to_be_disabled()
    await expect(page.locator("#run-note")).to_contain_text("ann holds the lease until")
    listed = await open_page(f"{app.address}/devices")
    await expect(listed.locator(".held")).to_contain_text("Held by ann until")
    app.leases.steal("supply", BOB, 600)
    await expect(listed.locator(".held")).to_contain_text("Held by bob until")
    app.leases.renew("supply", BOB, 0.5)
    await expect(box).to_contain_text("Nobody holds the lease")
    await expect(listed.locator(".held")).to_have_count(0)
    await expect(run).to_be_enabled()


async def test_ones_own_lease_is_taken_renewed_and_given_back(app, open_page):
    page = await open_page(f"{app.address}/devices/supply")
    box = page.locator(".lease")
    await button(page, "Take the lease").dblclick()
    await expect(box).to_contain_text("You hold the lease")
    first = app.leases.holder("supply")
    assert first.owner == "local"
    await expect(button(page, "Run reset")).to_be_enabled()
    await button(page, "Renew").click()
    await until(lambda: app.leases.holder("supply").until_ns > first.until_ns)
    await button(page, "Release").dblclick()
    await expect(box).to_contain_text("Nobody holds the lease")
    assert app.leases.holder("supply") is None


async def test_a_double_click_or_a_held_key_takes_nobodys_lease(app, open_page):
    app.leases.acquire("supply", ANN, 600)
    page = await open_page(f"{app.address}/devices/supply")
    take, no, yes = (button(page, name) for name in ("Take over", "No", "Yes, take over"))
    for x in (2, 30, 60):
        await take.dblclick(position={"x": x, "y": 10}, delay=30)
        await expect(no.or_(take)).to_be_visible()
        assert app.leases.holder("supply").owner == "ann"
        if await no.is_visible():
            await no.click()
        await expect(take).to_be_enabled()
    await take.focus()
    await page.keyboard.press("Enter")
    await expect(no).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(take).to_be_enabled()
    await take.click()
    app.leases.steal("supply", BOB, 600)
    await expect(page.get_by_text("Take it from ann?")).to_have_count(0)
    await take.click()
    await expect(page.get_by_text("Take it from bob?")).to_be_visible()
    await yes.click()
    await expect(page.locator(".lease")).to_contain_text("You hold the lease")
    recent = page.locator('section[aria-labelledby="h-recent"]')
    await expect(recent).to_contain_text("taken from bob")


async def test_a_refusal_says_who_and_until_when_and_what_to_do(app, open_page):
    """The page may not know yet: somebody was faster."""
    page = await open_page(app.address)
    asked = []

    def keep(route):
        asked.append(route)  # and give no answer

    await page.route("**/api/v1/devices/supply", keep)
    await page.goto(f"{app.address}/devices/supply")
    run = button(page, "Run reset")
    await expect(run).to_be_enabled()
    hub, app.hub.announce = app.hub.announce, lambda _event: None
    app.leases.acquire("supply", ANN, 600)
    await run.click()
    await expect(page.locator(".fail")).to_contain_text("ann holds the lease until")
    await expect(page.locator(".fail")).to_contain_text("take it over at the top")
    app.hub.announce = hub
    for each in asked:
        await each.continue_()  # one that waits for ever is a task that some later test sees die
