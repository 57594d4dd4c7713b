"""The configuration: every mistake is named with its place, and the traps of YAML are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from labmon import config, config_docs
from labmon.errors import ConfigError


@pytest.fixture
def load(tmp_path):
    def load(text: str | bytes, **overrides):
        path = tmp_path / "config.yaml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return config.load(path, **overrides)

    return load


@pytest.fixture
def problems(load, tmp_path):
    def problems(text: str | bytes, **overrides) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            load(text, **overrides)
        return str(caught.value).replace(f"{tmp_path}/config.yaml", "FILE").splitlines()

    return problems


def test_an_empty_file_gives_the_defaults(load, tmp_path):
    loaded = load("")
    assert loaded.server.host == "127.0.0.1"
    assert loaded.server.port == 8765
    assert loaded.data_dir == tmp_path / "data"
    assert loaded.store == f"sqlite:///{tmp_path}/data/labmon.db"
    assert loaded.recording.spool_bytes == 64 << 20
    assert loaded.devices == []


def test_sections_whose_keys_are_all_commented_out_count_as_empty(load):
    assert load("server:\nrecording:\ndevices:\n").server.port == 8765


def test_a_device_keeps_its_drivers_settings_raw_with_their_lines(load, tmp_path):
    (device,) = load(
        "devices:\n"
        "  gauge:\n"
        "    driver: gauge\n"
        "    period_s: 1e-1\n"
        "    port: sim://gauge\n"
        "    channels:\n"
        "      pressure: {unit: mbar}\n"
        "      2: {unit: K}\n"
    ).devices
    assert (device.name, device.driver, device.period_s) == ("gauge", "gauge", 0.1)
    assert device.settings == {
        "port": "sim://gauge",
        "channels": {"pressure": {"unit": "mbar"}, 2: {"unit": "K"}},
    }
    assert str(device.mark) == f"{tmp_path}/config.yaml:2"
    lines = {key: mark.line for key, mark in device.marks.items()}
    assert lines["port"] == 5
    assert lines["channels.pressure.unit"] == 7
    assert lines["channels.2"] == 8


def test_devices_stay_in_the_order_of_the_file(load):
    loaded = load("devices:\n  b: {driver: x}\n  a: {driver: x}\n")
    assert [device.name for device in loaded.devices] == ["b", "a"]


def test_the_command_line_goes_before_the_file(load, tmp_path):
    loaded = load("server: {port: 1}\ndata_dir: here\n", port=2, data_dir=tmp_path / "there")
    assert loaded.server.port == 2
    assert loaded.data_dir == tmp_path / "there"
    assert load("server: {port: 1}\ndata_dir: here\n").data_dir == tmp_path / "here"


@pytest.mark.parametrize(
    ("store", "resolved"),
    [
        ("memory:", "memory:"),
        ("sqlite:////var/lab.db", "sqlite:////var/lab.db"),
        ("sqlite:///sub/lab.db", "sqlite:///{data}/sub/lab.db"),
    ],
)
def test_a_relative_store_stands_in_the_data_folder(load, tmp_path, store, resolved):
    assert load(f"store: '{store}'\n").store == resolved.format(data=tmp_path / "data")


def test_all_problems_come_at_once_in_the_order_of_the_file(problems):
    found = problems(
        "server:\n"
        "  port: 99999\n"
        "  hots: x\n"
        "recording: {durability: ful}\n"
        "store: file.db\n"
        "devices:\n"
        "  gauge:\n"
        "    driver: gauge\n"
        "    period_s: 0\n"
        "    period_s: 1\n"
        "  7: {driver: x}\n"
        "  broken:\n"
    )
    assert [line.split(": ")[0] for line in found] == [
        "FILE:2", "FILE:3", "FILE:4", "FILE:5", "FILE:9", "FILE:10", "FILE:11", "FILE:12",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "server: {port: 99999}",
            "FILE:1: server.port: found 99999, allowed: a whole number from 0 to 65535",
        ),
        (
            "server:\n  prot: 1",
            "FILE:2: server.prot: unknown key (did you mean 'port'?); allowed: title, host, port,",
        ),
        (
            "divices: {}",
            "FILE:1: divices: unknown key (did you mean 'devices'?); allowed: server, data_dir,",
        ),
        ("path: x", "FILE:1: path: unknown key; allowed: server,"),
        ("server: 5", "FILE:1: server: found 5, allowed: keys and values"),
        ("server: {1: 2}", "FILE:1: server.1: unknown key; allowed: title, host,"),
        ("1: 2", "FILE:1: 1: unknown key; allowed: server,"),
        (
            "recording: {durability: ful}",
            'allowed: "full" or "relaxed" (did you mean \'full\'?)',
        ),
        ("recording: {commit_interval_s: 100 ms}", "a plain number without quotes or unit"),
        ("recording: {commit_interval_s: .inf}", "allowed: a number above 0 up to 60"),
        ("server: {idle_timeout_s: 1:30}", 'found "1:30", allowed: a number above 0 up to 3600'),
        ("server: {allowed_hosts: [a, 1]}", "server.allowed_hosts.1: found 1, allowed: a list"),
        ("store: file.db", 'store: found "file.db", allowed: sqlite:///FILE'),
        ("devices: [gauge]", 'devices: found ["gauge"], allowed: the name of each device'),
        ("devices: {a: {}}", "FILE:1: devices.a.driver is missing; allowed: text"),
        ("devices: {a: gauge}", 'devices.a: found "gauge", allowed: its keys'),
        ("devices: {_a: {driver: x}}", 'the name "_a" of a device: use letters'),
        ("devices: {a b: {driver: x}}", 'the name "a b" of a device: use letters'),
        ("devices: {rpc: {driver: x}}", "devices.rpc: the name is taken"),
        ("devices: {a: {driver: x, enabled: no}}", "write true or false: no is text here"),
        ("devices: {a: {driver: x, title: 5}}", "found 5, allowed: text; put it in quotes"),
        ("devices: {a: {driver: x, title: }}", "found nothing, allowed: text"),
        ("devices: {a: {driver: x, period_s: true}}", "found true, allowed: a number from 0.001"),
        ("store: ''", 'FILE:1: store: found "", allowed: sqlite:///FILE'),
        ("just text", "FILE:1: found a list or text, not keys"),
        (
            "server: {host: '127.0.0.1:80'}",
            'server.host: found "127.0.0.1:80", allowed: an address',
        ),
        (
            "server: {host: a..b, anonymous: viewer}",
            'server.host: found "a..b", allowed: an address',
        ),
        (
            "server:\n  allowed_hosts: [lab3, 'http://lab', 'fe80::1', '[::1]']",
            'FILE:2: server.allowed_hosts.1: found "http://lab", allowed: a name such as lab3',
        ),
        ("server: {allowed_hosts: ['lab:80']}", "without scheme and port"),
        (
            "server: {trusted_proxies: [10.0.0.0/8, proxy]}",
            'server.trusted_proxies.1: found "proxy", allowed: an address such as 10.1.2.3, or',
        ),
    ],
)
def test_a_problem_names_place_key_what_was_found_and_what_is_allowed(problems, text, problem):
    (found,) = problems(text)
    assert problem in found
    assert found.startswith("FILE:")


def test_two_spellings_of_one_name_are_one_device(problems):
    (found,) = problems("devices:\n  é: {driver: x}\n  e\u0301: {driver: x}\n")
    assert found == "FILE:3: there is already a device 'é'"


def test_it_listens_to_other_machines_only_when_told_who_may_watch(load, problems):
    (found,) = problems("server:\n  host: 0.0.0.0\n")
    assert found.startswith("FILE:2: server.host: 0.0.0.0 is reachable from other machines")
    assert "anonymous: viewer" in found
    (found,) = problems("", host="::")
    assert found.startswith("--host: server.host: :: is reachable")
    assert load("server: {host: '::1'}").server.host == "::1"
    assert load("server: {host: 0.0.0.0, anonymous: viewer}").server.host == "0.0.0.0"


def test_a_file_that_is_not_there_or_not_text_is_said(problems, tmp_path):
    with pytest.raises(ConfigError, match=r"no\.yaml: cannot be read: No such file"):
        config.load(tmp_path / "no.yaml")
    assert problems(b"a: 1\nb: \xff\n") == [
        "FILE:2: byte 0xff is not UTF-8; save the file as UTF-8"
    ]
    assert problems("# " + "x" * (1 << 20)) == [
        "FILE: over 1 MiB; a configuration has some kilobytes"
    ]


def test_a_byte_order_mark_is_no_character_of_the_first_key(load):
    assert load(b"\xef\xbb\xbfserver: {port: 1}").server.port == 1


def test_every_setting_has_a_sentence_and_a_default_in_one_place():
    for section in (config.Config, config.ServerConfig, config.RecordingConfig):
        for name, field in section.model_fields.items():
            assert field.description or name in {"path", "server", "recording", "devices"}, name
    for name in config.DEVICE_KEYS:
        description = config.DeviceConfig.model_fields[name].description
        assert description is not None
        assert description.endswith(".")


def test_the_configuration_of_a_fresh_checkout_is_right():
    path = Path(__file__).parents[2] / "config.yaml"
    assert {device.name for device in config.load(path).devices} >= {"host", "gauge", "wavemeter"}


def test_the_page_of_settings_is_the_one_that_the_classes_give():
    page = Path(__file__).parents[2] / "docs" / "configuration.md"
    assert page.read_text() == config_docs.page(), (
        "python -m labmon.config_docs > docs/configuration.md"
    )


def test_the_example_in_the_page_is_right(load):
    page = config_docs.page()
    example = page.split("```yaml\n")[1].split("```")[0]
    assert [device.name for device in load(example).devices] == ["chamber"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "devices:\ngauge:\n  driver: host\n",
            "FILE:2: gauge: a device stands under 'devices:', further indented",
        ),
        (
            "devices:\n  gauge:\n    Driver: host\n",
            "FILE:2: devices.gauge.driver is missing (is 'Driver' meant to be it?); allowed: text",
        ),
        (
            'devices:\n  w:\n    library: "C:\\Windows\\wlmData.dll"\n',
            "character 'W' (in double quotes '\\' begins an escape: use single quotes)",
        ),
        (
            "devices:\n  w:\n    driver:host\n    port: x\n",
            "or a key above has no space behind its ':')",
        ),
    ],
)
def test_what_people_often_get_wrong_says_what_is_meant(problems, text, said):
    (problem,) = problems(text)
    assert problem.endswith(said)
