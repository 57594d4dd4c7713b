"""What a person is told of a store that had damage: on every page, with a way to Status."""

from playwright.async_api import expect

CONFIG = "devices: {}\n"
PAGES = ("/", "/graph", "/devices", "/streams")


async def test_a_database_that_was_set_aside_is_told_on_every_page(server_process, open_page):
    server = server_process(CONFIG)
    server.data.mkdir()
    name = "labmon.db.corrupt.20260101T000000Z"
    (server.data / name).write_bytes(b"no database any more")
    server.start()
    page = await open_page(server.address)
    for path in PAGES:
        await page.goto(server.address + path)
        banner = page.locator(".banner.warn")
        await expect(banner).to_contain_text("recording goes on")
        await expect(banner).to_contain_text(name)
    await banner.get_by_role("link", name="Status").click()
    await expect(page.locator("h1")).to_have_text("Status")
    await expect(page.locator(".banner.warn")).to_contain_text(name)
    await expect(page.locator(".banner.warn").get_by_role("link")).to_have_count(0)
    await expect(page.get_by_role("region", name="Store")).to_contain_text("1 file set aside")


async def test_a_store_that_is_well_is_not_mentioned(server_process, open_page):
    server = server_process(CONFIG)
    server.start()
    page = await open_page(server.address + "/status")
    await expect(page.get_by_role("region", name="Store")).to_contain_text("none")
    await expect(page.locator(".banner")).to_have_count(0)
