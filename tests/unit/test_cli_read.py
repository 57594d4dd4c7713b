"""`labmon read`: what the author of a driver is told of what it gave, before a server has it."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from labmon import cli_read
from labmon.cli import main

DRIVERS = """
    import threading
    from labmon.device import Channel, Driver, Parameter, Samples, Timed, Value

    class Base(Driver):
        pressure = Channel(unit="mbar", digits=1)

    class Misspelt(Base):
        def poll(self):
            return {"pressure": 2.0, "presure": 1.0}

    class Text(Base):
        def poll(self):
            return {"pressure": "2.0"}

    class Forgetful(Base):
        def poll(self):
            self.value = 2.0

    class Exits(Base):
        def poll(self):
            raise SystemExit(3)

    class Hangs(Base):
        connect_timeout_s = 0.1

        def poll(self):
            threading.Event().wait()

    class Listens(Base):
        connect_timeout_s = 0.1

        def stream(self):
            while True:
                yield None

    class Speaks(Base):
        def stream(self):
            yield {}
            yield None
            yield {"pressure": 2.0}

    class Turns(Base):
        temperature = Channel(unit="K", digits=1)
        seldom = Channel(unit="V", every_s=None)

        def stream(self):
            while True:
                yield {"pressure": 2.0}
                yield Timed(7, {"temperature": 3.0})
                yield {"pressure": 4.0}
                threading.Event().wait(0.05)

    class Empties(Base):
        def poll(self):
            return {"pressure": 2.3e-9}

    class Sampled(Base):
        @Parameter(unit="V")
        def range(self) -> float:
            return 5.0

        def poll(self):
            return {"pressure": Samples([1.0, 2.0, 3.0], [1, 2, 3])}

    class Eager(Base):
        def __init__(self):
            raise RuntimeError("no such library")

    class Clashes(Base):
        def __init__(self):
            self.channels = {"_state": Channel()}
"""


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cli_read, "ABORT_S", 0.05)
    (tmp_path / "authored.py").write_text(textwrap.dedent(DRIVERS))

    def read(name: str) -> Result:
        path = tmp_path / "config.yaml"
        timeout_s = 0.1 if name in ("Hangs", "Listens") else 30  # who answers is given the time
        path.write_text(f"devices: {{a: {{driver: 'authored:{name}', timeout_s: {timeout_s}}}}}")
        return CliRunner().invoke(main, ["read", "a", "--config", str(path)])

    return read


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Misspelt", "'presure' is refused: there is no such channel (did you mean 'pressure'?)"),
        ("Text", "'pressure' is refused: '2.0' is text and no number: as_number() makes one"),
    ],
)
def test_a_reading_that_the_server_would_refuse_is_not_called_ok(read, caplog, name, said):
    result = read(name)
    assert result.exit_code == 1
    assert said in caplog.text
    assert "presure" not in result.output
    assert ("mbar" in result.output) == (name == "Misspelt")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Forgetful", "TypeError: poll() returned a NoneType, not a mapping"),
        ("Exits", "the driver ended with SystemExit(3)"),
        ("Hangs", "the driver did not come back within 0.2 s"),
        ("Listens", "it is connected, but said nothing for 0.1 s"),
        ("Eager", "devices.a: its driver failed to start: RuntimeError: no such library"),
        ("Clashes", "devices.a: channel '_state': labmon itself uses this name"),
    ],
)
def test_what_a_driver_did_wrong_is_said_without_labmons_own_traceback(read, name, said):
    result = read(name)
    assert result.exit_code == 1
    assert said in result.stderr
    assert "Traceback" not in result.output


def test_a_driver_that_pushes_is_heard_until_it_says_something(read):
    assert read("Speaks").output.splitlines()[1].split() == ["pressure", "2.0", "mbar", "ok"]


def test_a_driver_that_pushes_channel_by_channel_is_heard_for_a_while(read, monkeypatch):
    monkeypatch.setattr(cli_read, "LISTEN_S", 1.0)
    lines = [line.split() for line in read("Turns").output.splitlines()[1:]]
    assert [line[0] for line in lines] == ["pressure", "temperature"]


def test_what_is_not_zero_is_not_printed_as_zero(read):
    assert read("Empties").output.splitlines()[1].split() == ["pressure", "2.3e-09", "mbar", "ok"]


def test_samples_and_readbacks_are_told_too(read):
    lines = [line.split() for line in read("Sampled").output.splitlines()[1:]]
    assert lines == [["pressure", "3", "samples", "mbar", "ok"], ["range", "5.00", "V", "ok"]]
