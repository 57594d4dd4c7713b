"""A graph while the store is away: it keeps what came live, and has everything afterwards."""

import asyncio
from urllib.parse import urlsplit

import pytest
from playwright.async_api import expect

from tests.conftest import until
from tests.faults.load import metric, readiness
from tests.faults.mongodb_server import Database

pytestmark = pytest.mark.long

CONFIG = """\
store: {url}/labmon?directConnection=true
recording: {{spool_mib: 0.25}}
devices:
  crate: {{driver: "benchmarks.bench_driver:Crate", channels: 1000, period_s: 0.2}}
"""
GRAPH = "/graph?streams=crate/ch1&start=-5m&end=now"
AWAY_S = 20
"""Longer than a graph of five minutes goes on without history."""
NOT_IN_MEMORY = 25_000
"""Readings: more than the hub can tell again."""


@pytest.fixture
def database(tmp_path):
    with Database.running(tmp_path / "database") as database:
        yield database


def questions(page):
    """The page's questions to history, from now on."""
    asked = []

    def note(request):
        if urlsplit(request.url).path == "/api/v1/data":
            asked.append(request.url)

    page.on("request", note)
    return asked


async def drawn(page):
    """How many readings the graph has."""
    text = await page.locator("tbody tr").first.locator("td.n").last.text_content()
    return int("".join(filter(str.isdigit, text)))


async def test_a_graph_lives_on_while_the_store_is_away(server_process, open_page, database):
    server = server_process(CONFIG.format(url=database.url))
    server.start()
    page = await open_page(server.address + GRAPH)
    await expect(page.locator(".now")).not_to_have_text("\u2013")
    database.kill()
    until(lambda: metric(server, "labmon_spool_disk_readings") > NOT_IN_MEMORY, 60, "the spool")
    late = await open_page(server.address + GRAPH)
    await expect(late.locator(".now")).not_to_have_text("\u2013")
    before, asked, asked_late = await drawn(page), questions(page), questions(late)
    await asyncio.sleep(AWAY_S)
    assert len(asked) <= 3, "every 15 s, and once for a gap"
    assert len(asked_late) <= 5
    assert await drawn(page) > before + AWAY_S
    database.start()
    until(lambda: readiness(server)["ready"], 60, "the recovery")
    until(lambda: metric(server, "labmon_spool_disk_readings") == 0, 60, "everything recorded")
    stored = server.get("/api/v1/streams?path=crate/ch1")["streams"][0]["count"]
    for one in (page, late):
        await one.wait_for_function(
            """(least) => {
                const cells = document.querySelectorAll('tbody tr:first-child td.n');
                return Number(cells[cells.length - 1].textContent.replace(/\\D/g, '')) >= least;
            }""",
            arg=stored,
            timeout=60_000,
        )
