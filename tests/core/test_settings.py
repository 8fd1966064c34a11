"""What a settings file may say."""

import pytest

from remora.core.errors import Code, ConfigProblem
from remora.core.settings import DEFAULT_SETTINGS, HostSettings, ReconnectPolicy, Transport, read_settings


def test_an_empty_file_changes_nothing() -> None:
    assert read_settings({}, source="f") == DEFAULT_SETTINGS


def test_limits_and_what_holds_for_a_host_are_taken() -> None:
    host = {"codex": "/opt/codex", "reconnect": "never", "transport": "openssh", "tags": ["ci", "arm"]}
    values = {"limits": {"connect": 5, "resolve_parallel": 2}, "hosts": {"devbox": host}}
    settings = read_settings(values, source="f")
    assert (settings.limits.connect, settings.limits.resolve_parallel) == (5, 2)
    assert settings.host("devbox") == HostSettings(
        codex="/opt/codex", reconnect=ReconnectPolicy.NEVER, transport=Transport.OPENSSH, tags=("ci", "arm")
    )
    assert settings.host("other") == HostSettings()


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"limts": {}}, "'limts'"),
        ({"limits": 3}, "limits"),
        ({"limits": {"conect": 1}}, "'conect'"),
        ({"limits": {"connect": "soon"}}, "connect"),
        ({"limits": {"connect": -1}}, "connect"),
        ({"limits": {"connect": float("nan")}}, "connect"),
        ({"limits": {"resolve_parallel": 1.5}}, "whole number"),
        ({"limits": {"resolve_parallel": True}}, "resolve_parallel"),
        ({"hosts": {"devbox": "/opt/codex"}}, "[hosts.devbox]"),
        ({"hosts": {"devbox": {"codx": "/opt/codex"}}}, "'codx'"),
        ({"hosts": {"devbox": {"codex": 3}}}, "codex"),
        ({"hosts": {"devbox": {"reconnect": "sometimes"}}}, "while-active"),
        ({"hosts": {"devbox": {"tags": "ci"}}}, "tags"),
        ({"hosts": {"devbox": {"tags": [""]}}}, "tags"),
    ],
)
def test_what_is_no_setting_is_refused_by_name(values: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigProblem) as caught:
        read_settings(values, source="settings.toml")
    assert caught.value.code is Code.SETTINGS_INVALID
    assert named in caught.value.message
    assert "settings.toml" in caught.value.message
