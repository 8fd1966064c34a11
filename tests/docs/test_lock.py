"""requirements.lock: exact versions with digests, of all that pyproject.toml asks for and of all that those ask for."""

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tests.support.base.documents import ROOT

_ENTRY = re.compile(
    r"^(?P<asked>[^\s#][^\\\n]*?) *\\\n(?P<hashes>(?: +--hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.MULTILINE
)
_PLACES = [
    {"python_version": version, "python_full_version": f"{version}.0", "sys_platform": system, "platform_system": name}
    for version in ("3.11", "3.12", "3.13", "3.14")
    for system, name in (("linux", "Linux"), ("darwin", "Darwin"))
]
"""Every system and Python that the project names."""

TEXT = (ROOT / "requirements.lock").read_text()
LOCKED = [Requirement(entry["asked"]) for entry in _ENTRY.finditer(TEXT)]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
ASKED = [Requirement(line) for line in (*PROJECT["project"]["dependencies"], *PROJECT["build-system"]["requires"])]


def applies(requirement: Requirement, place: dict[str, str], extras: set[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({**place, "extra": extra}) for extra in (extras or {""}))


def locked_in(place: dict[str, str]) -> dict[str, str]:
    """By name, the version that is installed in that place."""
    return {
        canonicalize_name(one.name): next(iter(one.specifier)).version for one in LOCKED if applies(one, place, set())
    }


def asked_by(requirement: Requirement) -> Iterator[Requirement]:
    """What the package itself needs, as its metadata says where it is installed here."""
    try:
        lines = requires(requirement.name) or []
    except PackageNotFoundError:  # for another system
        return
    yield from map(Requirement, lines)


def test_nothing_stands_in_the_lock_file_but_exact_versions_with_digests() -> None:
    rest = _ENTRY.sub("", TEXT)
    assert [line for line in rest.splitlines() if line and not line.startswith("#")] == []
    assert {specifier.operator for one in LOCKED for specifier in one.specifier} == {"=="}
    assert all(len(one.specifier) == 1 and one.url is None for one in LOCKED)


@pytest.mark.parametrize("place", _PLACES, ids=lambda place: f"{place['sys_platform']}-{place['python_version']}")
def test_the_lock_file_has_all_that_the_project_needs(place: dict[str, str]) -> None:
    locked = locked_in(place)
    to_see, seen = [one for one in ASKED if applies(one, place, set())], set()
    while to_see:
        requirement = to_see.pop()
        name = canonicalize_name(requirement.name)
        assert name in locked, f"{requirement} is not locked: run scripts/lock"
        assert requirement.specifier.contains(locked[name], prereleases=True), f"{requirement}: run scripts/lock"
        if (name, *sorted(requirement.extras)) not in seen:
            seen.add((name, *sorted(requirement.extras)))
            to_see += [one for one in asked_by(requirement) if applies(one, place, requirement.extras)]
