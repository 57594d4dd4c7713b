"""A page that stands, frozen by its browser, busy or debugged, has everything once afterwards."""

import asyncio
import itertools

import pytest

CONFIG = """
devices:
  many: {driver: "tests.server.counting_driver:Counting", period_s: 0.02}
  chatty: {driver: "tests.server.counting_driver:Chatty", period_s: 0.02}
"""
WATCH = """async () => {
    const { Connection } = await import('/static/js/connection.js');
    const connection = new Connection(`ws://${location.host}/api/v1/ws`);
    const seen = window.seen = { values: [], told: [], skipped: 0 };
    connection.subscribe(['many/ch0', 'chatty/text'], {
        readings: (rows) => {
            for (const [path, , value] of rows) if (path === 'many/ch0') seen.values.push(value);
        },
        gap: () => seen.told.push('gap'),
        lost: () => seen.told.push('lost'),
        skipped: (streams) => { seen.skipped += streams['many/ch0'] ?? 0; },
    });
    connection.start();
}"""


async def freeze(page, time_s):
    session = await page.context.new_cdp_session(page)
    await session.send("Page.setWebLifecycleState", {"state": "frozen"})
    await asyncio.sleep(time_s)
    await session.send("Page.setWebLifecycleState", {"state": "active"})


async def keep_busy(page, time_s):
    end = f"Date.now() + {1000 * time_s}"
    await page.evaluate(f"() => {{ const end = {end}; while (Date.now() < end); }}")


async def debug(page, time_s):
    session = await page.context.new_cdp_session(page)
    await session.send("Debugger.enable")
    await session.send("Debugger.pause")
    await asyncio.sleep(time_s)
    await session.send("Debugger.resume")
    await session.send("Debugger.disable")


@pytest.mark.long
@pytest.mark.parametrize("time_s", [6, 30])
@pytest.mark.parametrize("stand", [freeze, keep_busy, debug])
async def test_what_came_meanwhile_is_there_once(server_process, open_page, stand, time_s):
    """After six seconds it is still connected; after thirty it was given up, and resumes."""
    server = server_process(CONFIG)
    server.start()
    page = await open_page(f"{server.address}/status")
    await page.evaluate(WATCH)
    await page.wait_for_function("() => window.seen.values.length > 100")
    await stand(page, time_s)
    now = server.get("/api/v1/latest?path=many/ch0")["readings"][0]["value"]
    await page.wait_for_function(
        "(now) => window.seen.values[window.seen.values.length - 1] > now + 500", arg=now
    )
    seen = await page.evaluate("() => window.seen")
    print(seen["skipped"], seen["told"])
    steps = [(later - one) // 10 for one, later in itertools.pairwise(seen["values"])]
    assert min(steps) == 1
    assert sum(step - 1 for step in steps) == seen["skipped"]
    assert not seen["told"]
