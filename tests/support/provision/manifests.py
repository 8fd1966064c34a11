"""Manifests that are text, and files in memory that lie beside them."""

import tomllib
from collections.abc import Mapping, Sequence

import pytest

from remora.core.errors import Code, ConfigProblem
from remora.wire.manifest.host_selection import Inventory
from remora.wire.manifest.host_spec import HostSpec, read_specs

ALIASES = ("devbox", "ci-1", "ci-2", "gpu")


class Beside:
    """A :class:`remora.wire.manifest.host_spec.ManifestPlace` with files in memory."""

    name = "box.toml"

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = files

    def absolute(self, path: str) -> str:
        return f"/manifests/{path}"

    def read(self, path: str) -> str:
        if path not in self._files:
            raise ValueError("it does not exist")
        return self._files[path]


def unknown(alias: str) -> ConfigProblem | None:
    if alias in ALIASES:
        return None
    return ConfigProblem(Code.ALIAS_UNKNOWN, f"No Host line matches {alias!r}.", next_step="Did you mean devbox?")


def specs(
    text: str, beside: Mapping[str, str] | None = None, *, tags: Mapping[str, Sequence[str]] | None = None
) -> dict[str, HostSpec]:
    """The hosts of a manifest by alias; `beside` are files that lie there."""
    inventory = Inventory(ALIASES, unknown, tags or {})
    found = read_specs(tomllib.loads(text), text=text, place=Beside(beside or {}), inventory=inventory)
    return {spec.alias: spec for spec in found}


def refusal(text: str) -> ConfigProblem:
    with pytest.raises(ConfigProblem) as caught:
        specs(text)
    assert caught.value.code is Code.MANIFEST_INVALID
    return caught.value


HOST = '[[hosts]]\nselect = ["devbox"]\n'
