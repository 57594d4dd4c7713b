"""Titles, labels, units and values are text: no page makes HTML of them."""

import json
import urllib.request
from contextlib import closing

import pytest
from playwright.async_api import expect

from tests.conftest import PATIENCE_S, ServerProcess

EVIL = '<img src=x onerror="window.pwned=1"><b>bold</b>'
CONFIG = f"""
server: {{title: {json.dumps(EVIL)}}}
devices:
  wavemeter:
    driver: simulated_wavemeter
    title: {json.dumps(EVIL)}
    group: {json.dumps(EVIL)}
    lasers: {{ch1: {{label: {json.dumps(EVIL)}}}}}
  gauge:
    driver: serial_line
    port: sim://gauge
    baud_rate: 9600
    request: "PR?\\r\\n"
    channels: {{chamber: {{unit: {json.dumps(EVIL)}, description: {json.dumps(EVIL)}}}}}
"""
PAGES = {
    "/": ".tile",
    "/?kiosk=1": "main",
    "/graph?streams=wavemeter/ch1,lab/note,lab/value": "main",
    "/devices": "table",
    "/devices/wavemeter": "main",
    "/streams": "table",
    "/status": "table",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with closing(ServerProcess(tmp_path_factory.mktemp("html"), CONFIG)) as server:
        server.start()
        server.post("/api/v1/append", [{"stream": "lab/note", "value": EVIL}])
        server.post("/api/v1/append", [{"stream": "lab/value", "value": 1.5}])
        for name in ("lab/note", "lab/value"):
            patch(server, f"/api/v1/streams/{name}", {"tags": {"description": EVIL, "label": EVIL}})
        yield server


def patch(server, path, body):
    request = urllib.request.Request(
        server.address + path,
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
        method="PATCH",
    )
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as reply:
        assert reply.status == 200


async def test_no_page_makes_html_of_a_text(server, open_page):
    page = await open_page(server.address)
    for path, part in PAGES.items():
        await page.goto(server.address + path)
        await expect(page.locator(part).first).to_be_visible()
        await expect(page.locator("body")).to_contain_text("onerror")
        assert await page.evaluate("window.pwned") is None, path
        made = page.locator("main img, header img, main b:text-is('bold')")
        assert await made.count() == 0, path


async def test_an_inline_script_is_not_run_even_if_it_got_into_a_page(server, browser):
    """The last line of defence: the content policy, not the pages' care."""
    context = await browser.new_context()
    page = await context.new_page()
    await page.goto(server.address)
    await page.evaluate("""() => {
        const script = document.createElement('script');
        script.textContent = 'window.pwned = 1';
        document.body.append(script);
        document.body.insertAdjacentHTML('beforeend', '<img src=x onerror="window.pwned = 2">');
    }""")
    await expect(page.locator("img[src=x]")).to_have_js_property("complete", True)
    assert await page.evaluate("window.pwned") is None
    await context.close()
