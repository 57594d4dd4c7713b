"""What the pages cost in a real browser: first paint, a hundred live tiles, a graph of a year."""

import asyncio
import gzip
import re
import shlex
import tempfile
import time
from pathlib import Path

import numpy as np
from playwright.async_api import async_playwright

from benchmarks.lab_data import SECOND_NS, START_NS, year
from benchmarks.quiet import browser_path
from benchmarks.rounds import Spread, arguments, number, report, table
from benchmarks.serving import LoopLag, Serving
from labmon import datastream

METHOD = """\
`labmon serve` with {devices} simulated wavemeters of 8 channels at 10 Hz, and a stream with
{days:g} days at 1 Hz in its store; headless Chromium, drawing in software, on the same machine, so
that the server, the page and the drawing share its cores. The browser has the lower priority
(nice 10, also as a group of the scheduler), as viewers' computers take no time from the server.
First paint: the browser's own mark, in a new context without a cache each time. First values: until
a tile shows a number. Frames: the distances of frames on the overview during {seconds:g} s; a long
task is one that held up the page for over 50 ms, as the browser counts them. Graphs: from the
click to the frame behind the one in which the new data were drawn."""

DEVICE = "  laser{number}: {{driver: simulated_wavemeter, period_s: 0.1, title: Laser {number}}}\n"
FIRST_PAINT = """() => new Promise((resolve) => {
  new PerformanceObserver((list) => {
    for (const { name, startTime } of list.getEntries()) {
      if (name === 'first-contentful-paint') resolve(startTime);
    }
  }).observe({ type: 'paint', buffered: true });
})"""
WATCH = """() => {
  window.frames_ms = []; window.long_ms = [];
  let before = performance.now();
  const next = (now) => {
    frames_ms.push(now - before);
    before = now;
    requestAnimationFrame(next);
  };
  requestAnimationFrame(next);
  new PerformanceObserver((list) => long_ms.push(...list.getEntries().map((e) => e.duration)))
    .observe({type: 'longtask'});
}"""
PATIENCE_MS = 120_000
"""The browser gives way to everything else, so a busy machine keeps it for long."""
CLICKED = """(word) => new Promise((resolve) => {
  const fetched = Response.prototype.arrayBuffer, drawn = CanvasRenderingContext2D.prototype.stroke;
  let hasData = false;
  Response.prototype.arrayBuffer = async function () {
    const body = await fetched.call(this);
    if (this.url.includes('/data')) hasData = true;
    return body;
  };
  const buttons = [...document.querySelectorAll('.presets button')];
  CanvasRenderingContext2D.prototype.stroke = function (...given) {
    drawn.apply(this, given);
    if (!hasData) return;
    Response.prototype.arrayBuffer = fetched;
    CanvasRenderingContext2D.prototype.stroke = drawn;
    requestAnimationFrame(() => resolve(performance.now() - began));
  };
  const began = performance.now();
  buttons.find((button) => button.textContent === word).click();
})"""


async def filled(folder, days):
    """A store with one long stream, until now."""
    folder.mkdir()
    async with datastream.open(f"sqlite:///{folder}/labmon.db") as streams:
        tags = {"path": "year/ch1", "unit": "C"}
        stream = await streams.ensure_stream(
            {"path": "year/ch1"}, tags, ("mean", "min", "max", "std_dev"), "raw"
        )
        shift_ns = time.time_ns() - START_NS - int(days * 86_400) * SECOND_NS
        for t, v in year(days):
            await streams.append_array(stream, t + shift_ns, v)


class Visitor:
    """A browser that measures what it visits."""

    def __init__(self, browser, address):
        self._browser, self._address = browser, address

    async def page(self, path):
        context = await self._browser.new_context(viewport={"width": 1280, "height": 800})
        context.set_default_timeout(PATIENCE_MS)
        page = await context.new_page()
        page.answers = []
        # Playwright puts a mark on the handler, and a method of a list takes none
        page.on("response", lambda answer: page.answers.append(answer))  # noqa: PLW0108
        await page.goto(self._address + path)
        return page

    async def first(self):
        """(first paint, first values) in ms."""
        page = await self.page("/")
        paint_ms = await page.evaluate(FIRST_PAINT)
        await page.locator("a.tile", has_text=re.compile(r"\d{3}")).first.wait_for()
        found = paint_ms, await page.evaluate("performance.now()")
        await page.context.close()
        return found

    async def weight(self):
        """kB of JavaScript that the first page loads, as gzip would send it."""
        page = await self.page("/")
        await page.wait_for_selector("a.tile")
        scripts = [a for a in page.answers if a.request.resource_type == "script"]
        total = sum([len(gzip.compress(await answer.body())) for answer in scripts])
        await page.context.close()
        return total / 1000

    async def frames(self, seconds):
        """(median and 99th percentile of the distances of frames in ms, long tasks, tiles)."""
        page = await self.page("/")
        await page.wait_for_selector("a.tile")
        await asyncio.sleep(3)  # what the page does once is over
        await page.evaluate(WATCH)
        await asyncio.sleep(seconds)
        frames = await page.evaluate("frames_ms")
        tasks = await page.evaluate("long_ms")
        tiles = await page.locator("a.tile").count()
        await page.context.close()
        return np.percentile(frames, 50), np.percentile(frames, 99), len(tasks), tiles

    async def graphs(self, words):
        """Milliseconds from a click on each of some ranges to its pixels."""
        page = await self.page("/graph?streams=year/ch1&start=-1h&end=now")
        await page.wait_for_selector(".presets button")
        await asyncio.sleep(1)
        took = []
        for word in words:
            took.append(await page.evaluate(CLICKED, word))
            await asyncio.sleep(0.5)
        await page.context.close()
        return took


# a browser of root lifts itself above everybody (nice -8), but not its group of the scheduler
BEHIND = """\
#!/bin/sh
{{ echo 10 >/proc/self/autogroup; }} 2>/dev/null
exec nice -n 10 {program} "$@"
"""


def behind(program, folder):
    """A program that is the given one at a low priority: the server goes first."""
    script = folder / "browser"
    script.write_text(BEHIND.format(program=shlex.quote(program)))
    script.chmod(0o755)
    return script


async def measured(chosen, browser_program, address):
    """The rows of the table."""
    async with async_playwright() as play:
        browser = await play.chromium.launch(
            executable_path=browser_program, args=["--no-sandbox", "--disable-gpu"]
        )
        visitor = Visitor(browser, address)
        words = ["1 y", "1 mo"]
        first, frames, graphs = [], [], []
        for _ in range(chosen.rounds):
            first.append(await visitor.first())
            frames.append(await visitor.frames(chosen.seconds))
            graphs.append(await visitor.graphs(words))
        weight = await visitor.weight()
        await browser.close()
    paints, values = zip(*first, strict=True)
    middle, late, tasks, tiles = zip(*frames, strict=True)
    years, months = zip(*graphs, strict=True)
    return [
        ["first paint of the overview, ms", "1,000", Spread(paints)],
        ["first values on the overview, ms", "", Spread(values)],
        ["JavaScript of the first page, kB by gzip", "150", number(weight)],
        [f"frame to frame with {tiles[0]} tiles at 10 Hz, median, ms", "16.7", Spread(middle)],
        ["the same, 99th percentile, ms", "", Spread(late)],
        [f"tasks over 50 ms in {chosen.seconds:g} s", "0", Spread(tasks)],
        ["graph of a year, from click to pixels, ms", "200", Spread(years)],
        ["from there to a month, ms", "200", Spread(months)],
    ]


async def run(chosen, lag):
    with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
        folder = Path(name)
        await filled(folder / "labmon", chosen.days)
        lasers = (DEVICE.format(number=n + 1) for n in range(int(chosen.devices)))
        with Serving(folder, "devices:\n" + "".join(lasers)) as server, lag.watched(server.port):
            program = behind(browser_path(), folder)
            return await measured(chosen, program, f"http://127.0.0.1:{server.port}")


def main():
    chosen = arguments(__doc__, devices=(13, 2), days=(365, 1), seconds=(10, 1))
    lag = LoopLag()
    rows = asyncio.run(run(chosen, lag))
    method = METHOD.format(devices=int(chosen.devices), days=chosen.days, seconds=chosen.seconds)
    report(
        "pages", method, f"{table(['what', 'goal', 'measured'], rows)}\n\n{lag}", chosen, "tornado"
    )


if __name__ == "__main__":
    main()
