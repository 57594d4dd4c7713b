"""A real Chromium before a real server; a page that says anything on its console fails the test."""

import os
import shutil
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import async_playwright, expect

FOLDER = Path(__file__).parent
PATIENCE_MS = 30_000
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")

# a slow machine draws late: as long as Playwright waits for everything else
expect.set_options(timeout=PATIENCE_MS)


def chromium_path():
    names = (os.environ.get("LABMON_CHROMIUM"), "chromium", "chromium-browser", "google-chrome")
    for name in names:
        if name and (path := shutil.which(name)):
            return path
    pytest.fail("no Chromium found; script/test installs it, or set LABMON_CHROMIUM")
    return None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """The browser serves all tests, so they run on the event loop on which it was started.

    And alone: one that has to share its cores draws late.
    """
    for item in items:
        if item.path.parent == FOLDER:
            item.add_marker(pytest.mark.alone)
            if pytest_asyncio.is_async_test(item):
                item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser():
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=chromium_path(), args=list(FLAGS))
        yield browser
        await browser.close()


def is_of_network(text):
    return "net::ERR_" in text or text.startswith("WebSocket connection to ")


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(browser):
    """A factory: `await open_page(address, width=1280)`; complaints on any console fail the test.

    `page.labmon_offline = True`, set before the server goes away, excuses what Chromium itself says
    of requests and connections that were refused or cut: no page can prevent that.
    """
    complaints = []
    pages = []

    async def open_page(address, *, width=1280, height=800, **options):
        context = await browser.new_context(viewport={"width": width, "height": height}, **options)
        page = await context.new_page()
        page.labmon_offline = False
        pages.append(page)

        def heard(message):
            if message.type not in {"error", "warning"}:
                return
            if page.labmon_offline and is_of_network(message.text):
                return
            complaints.append(f"{message.type}: {message.text}")

        page.on("console", heard)
        page.on("pageerror", lambda error: complaints.append(f"uncaught: {error}"))
        await page.goto(address)
        return page

    yield open_page
    for page in pages:
        await page.context.close()
    assert complaints == []
