"""A busy browser runs a page's effects long after drawing it: what came in between is shown."""

from playwright.async_api import expect

CONFIG = "devices: {meter: {driver: simulated_wavemeter, period_s: 0.2}}"
SHOWN = "384.23"

# effects wait for a frame or a timer; answers come after the first drawing and long before them
LATE = """
const wait = globalThis.setTimeout;
const MORE_MS = 1500;
globalThis.requestAnimationFrame = (draw) => wait(() => draw(performance.now()), MORE_MS);
globalThis.setTimeout = (call, ms = 0, ...rest) => wait(call, ms + MORE_MS, ...rest);
const ask = globalThis.fetch;
globalThis.fetch = async (...asked) => {
  const answer = await ask(...asked);
  await new Promise((go) => wait(go, 500));
  return answer;
};
"""


async def test_pages_whose_effects_run_late_show_what_came_before_them(browser, server_process):
    server = server_process(CONFIG)
    server.start()
    context = await browser.new_context(viewport={"width": 1280, "height": 800})
    await context.add_init_script(LATE)
    pages = [await context.new_page() for _ in range(4)]
    addresses = ("/", "/?kiosk=1", "/devices/meter", "/graph?streams=meter/ch1")
    for page, address in zip(pages, addresses, strict=True):
        await page.goto(server.address + address)
    for page in pages:
        await page.bring_to_front()
        await expect(page.locator("main")).to_contain_text(SHOWN)
    await context.close()
