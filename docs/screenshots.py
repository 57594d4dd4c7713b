"""Makes the pictures of the README: labmon with the default configuration, after some minutes."""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
GRAPH = "/graph?streams=wavemeter/ch1&streams=gauge/chamber&start=-10m"
PICTURES = {
    "overview.png": ("/", 1280, 800, "light"),
    "graph.png": (GRAPH, 1280, 760, "light"),
    "device.png": ("/devices/wavemeter", 1280, 900, "light"),
}


def browser_path():
    names = (os.environ.get("LABMON_CHROMIUM"), "chromium", "chromium-browser", "google-chrome")
    return next(path for name in names if name and (path := shutil.which(name)))


def start(folder):
    command = [sys.executable, "-m", "labmon", "serve", "--port", "0", "--data", folder]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    for line in process.stdout or ():
        if found := re.search(r"http://\S+?:\d+", line):
            return process, found.group()
    raise SystemExit(f"labmon ended with {process.wait()}")


def take(address, folder):
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=browser_path(), args=["--no-sandbox"])
        for name, (path, width, height, scheme) in PICTURES.items():
            page = browser.new_page(
                viewport={"width": width, "height": height}, color_scheme=scheme
            )
            page.goto(address + path)
            page.wait_for_timeout(3000)
            page.screenshot(path=folder / name)
            page.close()
        browser.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=12, help="how long to record before")
    parser.add_argument("--folder", type=Path, default=ROOT / "docs" / "images")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as data:
        process, address = start(data)
        try:
            time.sleep(60 * arguments.minutes)  # noqa: TID251 - a history needs its time
            take(address, arguments.folder)
        finally:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    main()
