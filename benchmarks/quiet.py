"""What a quiet server costs: the default configuration, one browser on the overview."""

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from playwright.sync_api import sync_playwright

from benchmarks.serving import LoopLag

ROOT = Path(__file__).resolve().parent.parent


def browser_path():
    names = (os.environ.get("LABMON_CHROMIUM"), "chromium", "chromium-browser", "google-chrome")
    return next(path for name in names if name and (path := shutil.which(name)))


def start(folder):
    process = subprocess.Popen(
        [sys.executable, "-m", "labmon", "serve", "--port", "0", "--data", folder],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    for line in process.stdout:
        if found := re.search(r"http://\S+?:\d+", line):
            return process, found.group()
    raise SystemExit(f"labmon ended with {process.wait()}")


def sample(process, seconds, every_s):
    """CPU in percent of a core and resident MB, for each stretch of `every_s`."""
    watched = psutil.Process(process.pid)
    rows = []
    used = sum(watched.cpu_times()[:2])
    at = time.monotonic()
    end = at + seconds
    while at < end:
        time.sleep(every_s)  # noqa: TID251 - a sample is a span of time
        now, now_used = time.monotonic(), sum(watched.cpu_times()[:2])
        rows.append((100 * (now_used - used) / (now - at), watched.memory_info().rss / 1e6))
        at, used = now, now_used
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--every", type=float, default=10, help="length of one sample, in seconds")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        process, address = start(folder)
        browser = play.chromium.launch(executable_path=browser_path(), args=["--no-sandbox"])
        try:
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            page.goto(address)
            page.wait_for_selector("a.tile")
            lag = LoopLag()
            with lag.watched(int(address.rsplit(":", 1)[1])):
                rows = sample(process, arguments.seconds, arguments.every)
        finally:
            browser.close()
            process.terminate()
            process.stdout.close()
            process.wait()
    print(f"{len(rows)} samples of {arguments.every:g} s, Python {sys.version.split()[0]}")
    print("| what | min | median | max |")
    print("| --- | --- | --- | --- |")
    for name, values in zip(
        ("CPU, % of a core", "resident, MB"), zip(*rows, strict=True), strict=True
    ):
        middle = statistics.median(values)
        print(f"| {name} | {min(values):.2f} | {middle:.2f} | {max(values):.2f} |")
    print(f"\n{lag}")


if __name__ == "__main__":
    main()
