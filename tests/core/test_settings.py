"""What a settings file may say."""

import pytest

from remora.core.errors import Code, ConfigProblem
from remora.core.settings import DEFAULT_SETTINGS, read_settings


def test_an_empty_file_changes_nothing() -> None:
    assert read_settings({}, source="f") == DEFAULT_SETTINGS


def test_limits_and_the_codex_of_a_host_are_taken() -> None:
    values = {"limits": {"connect": 5, "resolve_parallel": 2}, "hosts": {"devbox": {"codex": "/opt/codex"}}}
    settings = read_settings(values, source="f")
    assert (settings.limits.connect, settings.limits.resolve_parallel) == (5, 2)
    assert settings.codex == {"devbox": "/opt/codex"}


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
    ],
)
def test_what_is_no_setting_is_refused_by_name(values: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigProblem) as caught:
        read_settings(values, source="settings.toml")
    assert caught.value.code is Code.SETTINGS_INVALID
    assert named in caught.value.message
    assert "settings.toml" in caught.value.message
