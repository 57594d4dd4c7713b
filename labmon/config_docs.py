"""docs/configuration.md, made from the classes that check the configuration.

`python -m labmon.config_docs > docs/configuration.md` writes it; a test compares. The trap: a
setting has its words in `labmon.config`, never here.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labmon.config import DEVICE_KEYS, Config, DeviceConfig, RecordingConfig, ServerConfig
from labmon.retention_config import RetentionConfig
from labmon.schema_words import allowed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import BaseModel

INTRODUCTION = """\
# The configuration

One YAML file says everything: `labmon serve --config FILE` reads it (default: `config.yaml` in the
working folder), `labmon check FILE` says what it means without starting anything. Whatever is wrong
is said at once, each mistake with its file, line, key and what is allowed.

```yaml
server:
  port: 8765
devices:
  chamber:                    # the name: letters, digits, '_', '-', '.'
    driver: pfeiffer          # `labmon drivers` lists them with their settings
    title: Main chamber
    period_s: 0.5
    port: /dev/ttyUSB0        # everything that is not labmon's own goes to the driver
```

## How it is read

- The name of a key carries its unit: `period_s` is in seconds, `spool_mib` in MiB,
  `max_body_bytes` in bytes. Values are plain numbers, without unit and without quotes.
- `true` and `false` are the only truths; `yes`, `no`, `on`, `off` are text. `1e-3` is a number,
  `1:30` and `2026-11-22` are text. A number with a leading zero (`0777`) is refused: put it in
  quotes if it is text.
- A key that is unknown or stands twice is an error.
- The file is UTF-8, at most 1 MiB. Anchors (`&name`), aliases (`*name`) and `<<:` work; tags
  (`!!python/...`) do not.
- Relative paths: `data_dir` is relative to the file, the path in `store` to the data folder.
- `--host`, `--port` and `--data` of `labmon serve` go before the file.
"""

DEVICES = """\
Each device stands under its name. The keys below are labmon's own; all others are settings of its
driver, which `labmon drivers` lists.
"""

LIMITS = """\
What this laboratory allows, where the driver would let more pass. A range lies inside the driver's
own, else the server does not start; a side that is `null` stays as it is. The forms of the browser
show it, and what lies outside is refused (-32006) before the driver sees it, whoever asks.

```yaml
devices:
  oven:
    driver: lakeshore
    port: sim://lakeshore
    limits:
      setpoint_1: [4, 300]           # a parameter: what `set_setpoint_1` takes
      range_1: [null, 2]
  gauge:
    driver: pfeiffer
    port: sim://pfeiffer
    limits:
      switch_gauge: {gauge: [1, 2]}  # a command: its arguments
```
"""


RETENTION = """\
A list under `recording`; without it, everything is kept for ever. Of the entries, the first that
selects a stream counts.

```yaml
recording:
  retention:
    - streams: "wavemeter/**"   # fast ones: every reading for a month,
      raw: 30d
      minutes: 2y               # then what each minute was, for two years,
      hours: forever            # then what each hour was
    - tags: {device: bench}
      raw: 8w
      days: 8w                  # nothing is left after eight weeks
```

Times are whole days: `30d`, `8w`, `2y` (365 days each) or `forever`. A coarser level is kept at
least as long as a finer one. Levels between two that are named go with the finer one; beyond the
coarsest that is named, everything is kept for ever. Before anything goes, the finest level that
stays is written in its place, exactly; see [the store](store.md#retention).
"""


def page() -> str:
    """The whole of docs/configuration.md."""
    top = ("data_dir", "store")
    return "\n".join(
        [
            INTRODUCTION,
            "## At the top",
            "",
            *_table(Config, top),
            "",
            "The sections are `server`, `recording` and `devices`.",
            "",
            *_section("server", ServerConfig),
            *_section("recording", RecordingConfig),
            "### `retention`",
            "",
            RETENTION,
            *_table(RetentionConfig, RetentionConfig.model_fields),
            "",
            "## `devices`",
            "",
            DEVICES,
            *_table(DeviceConfig, DEVICE_KEYS),
            "",
            "### `limits`",
            "",
            LIMITS,
        ]
    )


def _section(name: str, kind: type[BaseModel]) -> list[str]:
    keys = [key for key in kind.model_fields if key != "retention"]  # has a table of its own
    return [f"## `{name}`", "", kind.__doc__ or "", "", *_table(kind, keys), ""]


def _table(kind: type[BaseModel], keys: Iterable[str]) -> list[str]:
    properties = kind.model_json_schema()["properties"]
    lines = ["| key | default | allowed | what it is |", "| --- | --- | --- | --- |"]
    for key in keys:
        field = kind.model_fields[key]
        default = field.get_default(call_default_factory=True)
        shown = "required" if field.is_required() else f"`{_yaml(default)}`"
        words = allowed(properties[key])
        lines.append(f"| `{key}` | {shown} | {words} | {field.description} |")
    return lines


def _yaml(value: Any) -> str:
    """A default as it would be written in the file."""
    if isinstance(value, str | Path):
        return str(value) or '""'
    return json.dumps(value)


if __name__ == "__main__":
    sys.stdout.write(page())
