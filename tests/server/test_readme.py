"""README.md: its driver, its configurations and its lines work as they stand."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from labmon.cli import main
from tests.conftest import PATIENCE_S

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "README.md").read_text(encoding="utf-8")
SIMULATOR = """
from labmon.device import Simulator


class Oven(Simulator):
    def __init__(self):
        self.setpoint = b"25.000"

    def feed(self, data):
        request, is_setting, value = data.strip().partition(b"=")
        if is_setting:
            self.setpoint = value
            return b"OK\\n"
        return (b"24.971" if request == b"T?" else self.setpoint) + b"\\n"
"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def lab(tmp_path):
    """A folder with the driver of the page and an oven; returns what writes a configuration."""
    (tmp_path / "my_lab.py").write_text(blocks("python")[0], encoding="utf-8")
    (tmp_path / "my_simulator.py").write_text(SIMULATOR)

    def write(block: int, port: str) -> Path:
        path = tmp_path / "config.yaml"
        text = re.sub(r"port: /dev/\S+", f"port: {port}", blocks("yaml")[block])
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_the_driver_is_not_longer_than_it_says():
    assert len([line for line in blocks("python")[0].splitlines() if line.strip()]) <= 40


@pytest.mark.parametrize(
    ("block", "port", "device", "channel"),
    [(0, "sim://gauge", "gauge", "chamber"), (1, "sim://my_simulator:Oven", "oven", "temperature")],
)
def test_a_device_of_the_page_can_be_read(lab, block, port, device, channel):
    path = lab(block, port)
    for arguments in (["check", path], ["read", device, "--config", path]):
        result = CliRunner().invoke(main, [str(argument) for argument in arguments])
        assert result.exit_code == 0, result.output
    assert re.search(rf"^{channel} +\S+ +\S+ +ok simulated", result.output, re.MULTILINE)


def test_the_driver_takes_its_command(lab, server_process, tmp_path, until):
    server = server_process(lab(1, "sim://my_simulator:Oven").read_text(encoding="utf-8"))
    for file in ("my_lab.py", "my_simulator.py"):
        shutil.copy(tmp_path / file, server.folder)
    server.start()
    until(lambda: server.get("/api/v1/devices/oven")["state"] == "online")
    assert server.call("oven.set_temperature", celsius=55.0) == 55.0


def test_the_lines_for_scripts_run_with_the_default_configuration(server_process, until):
    server = server_process((ROOT / "config.yaml").read_text(encoding="utf-8"))
    server.start()
    until(lambda: server.get("/api/v1/latest?path=wavemeter/exposure/ch1")["readings"])
    program = blocks("python")[1].replace("http://127.0.0.1:8765", server.address)
    exec(compile(program, "README.md", "exec"), {})
    if shutil.which("curl") is None:
        pytest.skip("there is no curl")
    script = blocks("sh")[1].replace("http://127.0.0.1:8765", server.address)
    for line in re.split(r"\n(?=curl)", script.strip()):
        assert said_by(line, "wavemeter/ch1", '"result":20.0'), line


def said_by(line, *words):
    """Whether curl says one of these; it is not waited for, as it may go on for ever."""
    patient = line.replace("curl", f"exec curl -s --max-time {PATIENCE_S:g}", 1)
    with subprocess.Popen(["sh", "-c", patient], stdout=subprocess.PIPE, text=True) as process:
        has_said = any(word in text for text in process.stdout for word in words)
        process.kill()
    return has_said


def test_what_the_page_points_to_is_there():
    for target in re.findall(r"\]\((?!http)([^)#]+)", PAGE):
        assert (ROOT / target).exists(), target
