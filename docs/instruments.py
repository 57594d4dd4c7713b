"""docs/instruments.md and a page per driver, made from docstrings, settings and simulators.

`python docs/instruments.py` writes them; a test compares. The hand-written words stand in the
docstring of each driver's module, under headings: Wiring, Configuration, Channels, Commands,
Quirks, Without hardware, Manual. The trap: channels that only the instrument knows are those of
its simulator.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labmon.config import load
from labmon.device import LinkDriver
from labmon.device.channels import all_channels
from labmon.device.command import Command, commands_of
from labmon.device.parameter import Parameters
from labmon.device.registry import SHIPPED, available, build, find
from labmon.device.settings import signature_of
from labmon.device.signature import in_words, without_null
from labmon.device.simulator import describe_simulator, simulators
from labmon.device.transports.settings import LinkKeys, LinkSettings
from labmon_drivers._channels import ChannelSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labmon.device import Channel, Driver

HERE = Path(__file__).parent
PAGES = HERE / "instruments"
MADE = "<!-- Made by docs/instruments.py from the driver itself: change it there. -->\n"
COMMON = set(ChannelSettings.model_fields)
SIMULATOR = re.compile(r"sim://(\w+)")
INDEX = """\
# Instruments

One page for each driver: wiring, settings, channels, commands, quirks, the manual, an example, and
how to try it without hardware. `labmon drivers NAME` says the settings on the command line; an
instrument that is not here may need no driver at all:
[instruments without code](../examples/README.md), or
[a driver in 40 lines](drivers.md#a-driver-in-40-lines).
"""
CHANNEL_WORDS = """\
## Settings of every channel

Where a channel is described in the configuration (`scpi`, `modbus`, `mqtt`, ...), these keys are
there beside those of its page.
"""
LINE_WORDS = """\
## Settings of every line

Every driver with a `port` has these; the page of a driver says which of them are others there.
What may stand as `port`: [ports](drivers.md#ports).
"""


def pages() -> dict[Path, str]:
    """Every file with what belongs into it."""
    names = [each.name for each in available()]
    made = {PAGES / f"{name}.md": page(name) for name in names}
    return {HERE / "instruments.md": index(names), **made}


def index(names: list[str]) -> str:
    """The list of drivers, and what several of them have in common."""
    rows = [[f"[`{name}`](instruments/{name}.md)", _title(name)] for name in names]
    keys = signature_of(LinkDriver).arguments
    line = {name: keys[name].schema for name in LinkKeys.__annotations__}
    defaults = LinkSettings()
    for name, schema in line.items():
        schema["default"] = getattr(defaults, name)
    common = ChannelSettings.model_json_schema()["properties"]
    parts = [MADE + INDEX, _table(["driver", "for"], rows)]
    parts += [CHANNEL_WORDS, _settings(common, ()), LINE_WORDS, _settings(line, ())]
    return "\n".join(parts)


def page(name: str) -> str:
    """The page of one driver."""
    driver_class = find(name)
    words, driver = sections(name), trial(name)
    argument_schema = signature_of(driver_class).schema()
    parts = [f"{MADE}# `{name}`: {_title(name)}\n", words.pop("")]
    parts += [f"## Wiring\n\n{words['Wiring']}"] if "Wiring" in words else []
    parts += [f"## Configuration\n\n{words['Configuration']}"]
    parts += _all_settings(name, argument_schema)
    parts += _channels(words.get("Channels", ""), argument_schema, driver)
    parts += _commands(words.get("Commands", ""), driver_class, driver)
    parts += [f"## Quirks\n\n{words['Quirks']}"] if "Quirks" in words else []
    parts += [f"## Without hardware\n\n{words['Without hardware']}"]
    simulated = set(SIMULATOR.findall(words["Without hardware"]))
    parts += [_simulator(each) for each in sorted(simulated)]
    parts += [f"## Manual\n\n{words['Manual']}"] if "Manual" in words else []
    return "\n".join(part.rstrip() + "\n" for part in parts if part.strip())


def sections(name: str) -> dict[str, str]:
    """What the docstring of a driver's module says, by heading; what stands before by none."""
    doc = inspect.getdoc(importlib.import_module(f"{SHIPPED}.{name}")) or ""
    head, *rest = re.split(r"^## (.+)\n", doc, flags=re.MULTILINE)
    found = {"": head.partition("\n\n")[2].strip() + "\n"}
    pairs = zip(rest[::2], rest[1::2], strict=True)
    return found | {title: text.strip() + "\n" for title, text in pairs}


def trial(name: str) -> Driver:
    """The driver as it can be tried without hardware; connected for a moment where it says more."""
    driver = configured(sections(name)["Without hardware"])
    if driver.simulated and "channels" not in signature_of(find(name)).arguments:
        try:
            driver.connect()
        finally:
            driver.disconnect()
    return driver


def configured(text: str) -> Driver:
    """The driver of the first device in a block of YAML within a text."""
    block = re.search(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert block, text
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "config.yaml")
        path.write_text(block[1], encoding="utf-8")
        return build(load(path).devices[0])


def _title(name: str) -> str:
    doc = inspect.getdoc(importlib.import_module(f"{SHIPPED}.{name}")) or ""
    return " ".join(doc.split("\n\n")[0].split()).partition(": ")[2].rstrip(".")


def _all_settings(name: str, schema: dict[str, Any]) -> Iterator[str]:
    driver = find(name)
    line = LinkKeys.__annotations__ if issubclass(driver, LinkDriver) else ()
    own = {key: each for key, each in schema["properties"].items() if key not in line}
    if own:
        yield "### Settings\n"
        yield _settings(own, schema["required"])
    for key, each in own.items():
        if model := _model(each):
            yield from _model_settings(key, model)
    if issubclass(driver, LinkDriver):
        yield _line(driver)


def _model_settings(key: str, model: dict[str, Any]) -> Iterator[str]:
    """What the objects of a setting hold; of channels only what not every channel has."""
    own, beside = dict(model["properties"]), ""
    if set(own) >= COMMON:
        own = {name: each for name, each in own.items() if name not in COMMON}
        beside = ", beside those of [every channel](../instruments.md#settings-of-every-channel)"
    if own:
        yield f"Of each of `{key}`{beside}:\n"
        yield _settings(own, model.get("required", ()))


def _line(driver: type[LinkDriver]) -> str:
    usual, own = LinkSettings(), driver.link_settings
    different = {
        key: getattr(own, key)
        for key in LinkKeys.__annotations__
        if getattr(own, key) != getattr(usual, key)
    }
    said = ", ".join(f"`{key}: {json.dumps(value)}`" for key, value in different.items())
    said = f"; here {said}" if said else ""
    tcp = f" Where `tcp://HOST` names no port it is {own.tcp_port}." if own.tcp_port else ""
    return f"And those of [the line](../instruments.md#settings-of-every-line){said}.{tcp}\n"


def _model(schema: dict[str, Any]) -> dict[str, Any] | None:
    """The schema of the objects that a setting holds by name, or that it is."""
    inner = schema.get("additionalProperties") or without_null(schema).get("items") or schema
    reference = inner.get("$ref") if isinstance(inner, dict) else None
    if reference:
        return schema.get("$defs", {}).get(reference.rpartition("/")[2])
    choices = schema.get("anyOf", [])
    found = next((each["$ref"] for each in choices if "$ref" in each), None)
    if found:
        return schema.get("$defs", {}).get(found.rpartition("/")[2])
    return schema if "properties" in schema else None


def _settings(properties: dict[str, Any], required: Any) -> str:
    rows = []
    for name, schema in properties.items():
        default = schema.get("default")
        shown = "" if _is_nothing(default) else _quoted(default)
        shown = "required" if name in required else shown
        rows.append([f"`{name}`", _allowed(schema), shown, schema.get("description", "")])
    return _table(["setting", "is", "default", "means"], rows)


def _quoted(value: Any) -> str:
    return f"`{json.dumps(value, ensure_ascii=False)}`"


def _is_nothing(value: Any) -> bool:
    return value in (None, "", [], {}) or value == [None, None]


def _allowed(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_allowed(each) for each in schema["anyOf"] if each.get("type") != "null")
    if "$ref" in schema:
        return "keys and values"
    if "prefixItems" in schema:
        return "a list of two numbers"
    if "enum" in schema:
        return ", ".join(_quoted(each) for each in schema["enum"] if each is not None)
    return in_words(without_null(schema))


def _channels(text: str, schema: dict[str, Any], driver: Driver) -> Iterator[str]:
    yield "## Channels\n"
    yield text or ("Those of the configuration.\n" if "channels" in schema["properties"] else "")
    if "channels" in schema["properties"]:
        return
    if type(driver).class_channels:  # others may depend on this machine
        driver.channels = dict(type(driver).class_channels)
    if channels := all_channels("device", driver):
        yield _table(["channel", "unit", "is"], list(_channel_rows(channels)))


def _channel_rows(channels: dict[str, Channel]) -> Iterator[list[str]]:
    """A row for each; of those that differ by a number, and nothing else, one."""
    seen: dict[tuple[str, ...], list[str]] = {}
    for name, channel in channels.items():
        description = channel.description or channel.label
        key = (re.sub(r"\d+", "N", name), channel.unit, re.sub(r"\d+", "N", description))
        seen.setdefault(key, []).append(name)
    for (_, unit, _), names in seen.items():
        first = channels[names[0]]
        said = first.description or first.label
        if len(names) > 1:
            said = re.sub(r"\d+", "N", said, count=1)
        more = "" if first.kind == "numeric" else " (words)"
        yield [_several(names), unit, said + more]


def _several(names: list[str]) -> str:
    if len(names) > 2:
        return f"`{names[0]}` ... `{names[-1]}`"
    return ", ".join(f"`{name}`" for name in names)


def _commands(text: str, driver_class: type[Driver], driver: Driver) -> Iterator[str]:
    shown = list(commands_of(driver_class).values())
    if not {"channels", "parameters", "settable"} & set(signature_of(driver_class).arguments):
        made = Parameters(driver.parameters).commands().items()
        shown += [each for name, each in made if name.startswith("set_")]
    if not shown and not text:
        return
    yield "## Commands\n"
    yield text
    if shown:
        yield _table(["command", "does", "asks before"], [_command(each) for each in shown])


def _command(command: Command) -> list[str]:
    parameters = [
        f"`{name}`: {in_words(schema)}" for name, schema in command.schema()["properties"].items()
    ]
    takes = f" Takes {'; '.join(parameters)}." if parameters else ""
    called = f"`{command.name}({', '.join(command.schema()['properties'])})`"
    return [called, command.doc + takes, command.options.confirm]


def _simulator(name: str) -> str:
    if name not in simulators():
        return ""
    doc, options = describe_simulator(name)
    said = f"`sim://{name}`: {doc[0].lower() + doc[1:] if doc[:2].istitle() else doc}"
    rows = [
        [f"`{each.name}`", f"`{json.dumps(each.default)}`", each.description] for each in options
    ]
    return f"{said}\n\n" + _table(["option", "default", "means"], rows)


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    escaped = ([cell.replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in escaped)


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
