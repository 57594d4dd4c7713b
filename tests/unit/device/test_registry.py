from __future__ import annotations

import sys
import textwrap
import tomllib
from pathlib import Path
from typing import Any

import pytest

from labmon.config import DeviceConfig
from labmon.device import Channel, Driver, LinkDriver, registry
from labmon.errors import ConfigError
from labmon.yaml_marks import Mark

ROOT = Path(__file__).parents[3]
GAUGE = '''
    from typing import Annotated, Literal, TypedDict, Unpack
    from labmon.device import Channel, Driver, Limits, command

    class Keys(TypedDict, total=False):
        speed: Annotated[int, Limits(50, 4_000_000, unit="Bd")]
        parity: Literal["none", "even"]

    class Gauge(Driver):
        """A gauge that is not there.

        Args:
            port: where it is plugged in.
        """

        pressure = Channel(unit="mbar")

        def __init__(self, port: str, gain: float = 1.0, loud: bool = False,
                     range_v: Annotated[float, Limits(0, 10, unit="V")] = 10.0,
                     names: tuple[str, ...] = (), **keys: Unpack[Keys]) -> None:
            if port == "nowhere":
                raise ValueError("port: nowhere is no port")
            self.given = (port, gain, loud, range_v, names, keys)

        def poll(self):
            return {"pressure": 1.0}
'''


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A package of drivers in place of the shipped ones; returns a function that adds a module."""
    folder = tmp_path / "fake_drivers"
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.setattr(registry, "SHIPPED", "fake_drivers")
    monkeypatch.syspath_prepend(tmp_path)

    def add(name: str, text: str) -> None:
        (folder / f"{name}.py").write_text(textwrap.dedent(text))

    add("gauge", GAUGE)
    yield add
    for name in [name for name in sys.modules if name.split(".")[0] == "fake_drivers"]:
        del sys.modules[name]


def config(driver: str = "gauge", **settings) -> DeviceConfig:
    marks = {key: Mark("config.yaml", 10 + i) for i, key in enumerate(settings)}
    marks["driver"] = Mark("config.yaml", 4)
    return DeviceConfig(
        name="main", driver=driver, settings=settings, marks=marks, mark=Mark("config.yaml", 3)
    )


def test_a_shipped_driver_is_found_by_its_module(shipped):
    driver: Any = registry.build(config(port="/dev/ttyUSB0", gain=2, names=["a"], speed=9600))
    assert type(driver).__name__ == "Gauge"
    assert driver.given == ("/dev/ttyUSB0", 2.0, False, 10.0, ("a",), {"speed": 9600})
    assert list(driver.channels) == ["pressure"]


def test_an_own_driver_is_found_by_module_and_class(tmp_path, monkeypatch, shipped):
    (tmp_path / "my_lab_x.py").write_text(textwrap.dedent(GAUGE))
    assert type(registry.build(config("my_lab_x:Gauge", port="x"))).__module__ == "my_lab_x"
    with pytest.raises(ConfigError, match=r"no driver 'Guage' \(did you mean 'my_lab_x:Gauge'\?\)"):
        registry.find("my_lab_x:Guage")
    with pytest.raises(ConfigError, match="'no_such_lab:X' cannot be imported: No module named"):
        registry.find("no_such_lab:X")


def test_an_unknown_driver_names_file_line_and_what_there_is(shipped):
    with pytest.raises(ConfigError) as caught:
        registry.build(config("guage", port="x"))
    assert str(caught.value) == (
        "config.yaml:4: devices.main.driver: there is no driver 'guage' (did you mean 'gauge'?);"
        " there is gauge, or your own as package.module:Class"
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "config.yaml:3: devices.main.port is missing; allowed: text"),
        (
            {"port": 5},
            "config.yaml:10: devices.main.port: found 5, allowed: text; put it in quotes",
        ),
        (
            {"port": "x", "gian": 2},
            (
                "config.yaml:11: devices.main.gian: unknown (did you mean 'gain'?);"
                " allowed: port, gain, loud, range_v, names, speed, parity, and labmon's own"
                " driver, title, group, period_s, timeout_s, enabled, bus, limits"
            ),
        ),
        (
            {"port": "x", "gain": "2"},
            (
                'config.yaml:11: devices.main.gain: found "2", allowed: a number;'
                " a plain number without quotes or unit (the key names the unit)"
            ),
        ),
        (
            {"port": "x", "loud": "yes"},
            (
                'config.yaml:11: devices.main.loud: found "yes", allowed: true or false;'
                " write true or false: yes is text here"
            ),
        ),
        (
            {"port": "x", "range_v": 11},
            "config.yaml:11: devices.main.range_v: found 11, allowed: a number from 0 to 10 V",
        ),
        (
            {"port": "x", "parity": "evn"},
            (
                'config.yaml:11: devices.main.parity: found "evn", allowed: "none" or "even"'
                " (did you mean 'even'?)"
            ),
        ),
        ({"port": "nowhere"}, "config.yaml:10: devices.main.port: nowhere is no port"),
    ],
)
def test_a_wrong_setting_names_file_line_key_and_what_is_allowed(shipped, settings, message):
    with pytest.raises(ConfigError) as caught:
        registry.build(config(**settings))
    assert str(caught.value) == message


def test_all_wrong_settings_are_named_in_the_order_of_the_file(shipped):
    with pytest.raises(ConfigError) as caught:
        registry.build(config(loud=1, port=5, x=0))
    lines = str(caught.value).splitlines()
    assert [line.split(":")[1] for line in lines] == ["10", "11", "12"]


def test_a_driver_without_settings_takes_none(shipped):
    shipped("plain", "from labmon.device import Driver\nclass Plain(Driver):\n    'Plain.'\n")
    registry.build(config("plain"))
    with pytest.raises(ConfigError, match="port: unknown; allowed: nothing"):
        registry.build(config("plain", port="x"))


def test_a_module_with_several_drivers_wants_one_named(shipped):
    shipped(
        "pumps",
        """
        from labmon.device import Driver
        class Big(Driver): "Big."
        class Small(Driver): "Small."
        class _Base(Driver): "None."
        """,
    )
    assert registry.find("pumps:Small").__name__ == "Small"
    with pytest.raises(ConfigError, match="no single driver; there is pumps:Big, pumps:Small"):
        registry.find("pumps")


def test_all_shipped_drivers_are_listed_also_those_that_cannot_be_imported(shipped):
    shipped("mqtt", "import no_such_package_at_all")
    shipped("odd", "def broken(:")
    shipped("lines", "X = 1")
    listed = {each.name: each for each in registry.available()}
    assert list(listed) == ["gauge", "mqtt", "odd"]
    assert listed["gauge"].doc == "A gauge that is not there."
    assert (
        listed["gauge"].settings["properties"]["port"]["description"] == "where it is plugged in."
    )
    assert listed["gauge"].settings["required"] == ["port"]
    assert not listed["mqtt"].is_usable
    assert listed["mqtt"].doc == "No module named 'no_such_package_at_all'; install what it needs"
    with pytest.raises(ConfigError, match="the driver 'mqtt' cannot be imported"):
        registry.find("mqtt")


def test_a_driver_without_its_extra_says_how_to_install_it(shipped, monkeypatch):
    monkeypatch.setitem(registry.EXTRAS, "no_such_package_at_all", "mqtt")
    shipped("mqtt", "import no_such_package_at_all.client")
    with pytest.raises(ConfigError, match=r"; pip install 'labmon-server\[mqtt\]'"):
        registry.find("mqtt")


def test_every_extra_that_is_named_brings_its_module():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for module, extra in registry.EXTRAS.items():
        assert any(each.startswith(module) for each in project["optional-dependencies"][extra])


def test_a_driver_with_a_signature_that_cannot_be_checked_is_refused(shipped):
    shipped(
        "bad",
        """
        from labmon.device import Driver
        class Bad(Driver):
            def __init__(self, port): ...
        """,
    )
    with pytest.raises(ConfigError, match="'bad' cannot be used: port of Bad"):
        registry.find("bad")
    assert not next(each for each in registry.available() if each.name == "bad").is_usable


def test_no_shipped_drivers_at_all_is_no_error(monkeypatch):
    monkeypatch.setattr(registry, "SHIPPED", "no_such_package_of_drivers")
    assert registry.available() == []


def test_without_shipped_drivers_your_own_are_left(monkeypatch):
    monkeypatch.setattr(registry, "SHIPPED", "no_such_package_of_drivers")
    with pytest.raises(ConfigError, match="there is none of the package no_such_package") as caught:
        registry.find("host")
    assert str(caught.value).endswith(", or your own as package.module:Class")


def test_an_own_driver_may_stand_beside_the_configuration(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "my_beside.py").write_text(textwrap.dedent(GAUGE))
    mark = Mark(str(tmp_path / "config.yaml"), 2)
    own = DeviceConfig(name="a", driver="my_beside:Gauge", settings={"port": "x"}, mark=mark)
    assert type(registry.build(own)).__module__ == "my_beside"
    del sys.modules["my_beside"]
    missing = DeviceConfig(name="a", driver="my_absent:Gauge", mark=mark)
    with pytest.raises(
        ConfigError, match=r"put my_absent\.py beside the configuration, or install"
    ):
        registry.build(missing)


@pytest.mark.parametrize("name", ["model", "link", "poll", "prepare"])
def test_a_channel_may_not_hide_a_part_of_the_driver(name):
    said = f"a channel cannot be called '{name}' as an attribute"
    with pytest.raises(TypeError, match=said):
        type("Hidden", (LinkDriver,), {name: Channel()})


def test_a_constructor_that_forgot_that_of_its_base_is_said_so():
    class Forgetful(LinkDriver):
        def __init__(self, port: str) -> None:
            self.name = port

    driver = Forgetful("sim://gauge")
    with pytest.raises(
        TypeError, match=r"Forgetful must call super\(\).__init__\(port, \*\*link\)"
    ):
        driver.connect()
    driver.disconnect()


def test_a_driver_that_cannot_be_imported_says_where(shipped):
    shipped(
        "hides",
        """
        from labmon.device import Channel, Driver

        class Hides(Driver):
            model = Channel()
        """,
    )
    with pytest.raises(ConfigError, match=r"TypeError: .*'model'.* \(hides\.py, line 4\)"):
        registry.find("hides")


def test_a_channel_may_be_told_anew_by_a_subclass():
    class Gauge(Driver):
        pressure = Channel(unit="mbar")

    class Other(Gauge):
        pressure = Channel(unit="Pa")

    assert Other.channels["pressure"].unit == "Pa"


def test_a_constructor_that_fails_names_the_device_and_where(shipped):
    shipped(
        "eager",
        """
        from labmon.device import Driver

        class Eager(Driver):
            def __init__(self) -> None:
                raise RuntimeError("no such library")
        """,
    )
    with pytest.raises(ConfigError) as caught:
        registry.build(config("eager"))
    said = str(caught.value)
    assert said.startswith("config.yaml:3: devices.main: its driver failed to start: ")
    assert "RuntimeError: no such library" in said
    assert "eager.py, line 6" in said


@pytest.mark.parametrize("key", ["timeout_s", "limits", "title"])
def test_a_setting_called_like_a_key_of_labmons_own_is_refused(shipped, key):
    shipped(
        "shadowing",
        f"""
        from labmon.device import Driver

        class Shadowing(Driver):
            def __init__(self, {key}: float = 2.0) -> None: ...
        """,
    )
    said = f"{key} of Shadowing.__init__ is a key of labmon's own: give it another name"
    with pytest.raises(ConfigError, match=said):
        registry.find("shadowing")
