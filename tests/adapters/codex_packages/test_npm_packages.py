"""codex from an npm registry, through the real npm."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.provision.npm_registry import NpmRegistry, npm_registry
from tests.support.provision.packages import HERE, packages_in

from remora.core.errors import AppServerProblem, Code


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[NpmRegistry]:
    with npm_registry(tmp_path) as found:
        for name, value in found.environment.items():
            monkeypatch.setenv(name, value)
        found.publish("0.9.0")
        found.publish("0.10.0")
        yield found


def test_the_newest_and_the_wished_version_are_found_and_fetched_once(registry: NpmRegistry, tmp_path: Path) -> None:
    packages = packages_in(tmp_path / "kept")
    assert run(packages.find_version("npm", "latest", HERE)) == "0.10.0"
    package = run(packages.fetch("npm", "0.9.0", HERE))
    assert package.version == "0.9.0"
    asked = len(registry.asked)
    assert run(packages_in(tmp_path / "kept").fetch("npm", "0.9.0", HERE)) == package
    assert len(registry.asked) == asked


def test_a_version_that_is_not_there_is_told_in_npm_s_words(registry: NpmRegistry, tmp_path: Path) -> None:
    with pytest.raises(AppServerProblem) as caught:
        run(packages_in(tmp_path / "kept").fetch("npm", "0.11.0", HERE))
    assert caught.value.code is Code.PACKAGE_UNAVAILABLE
    assert "0.11.0" in caught.value.seen


def test_an_archive_that_is_not_the_pinned_one_is_refused(registry: NpmRegistry, tmp_path: Path) -> None:
    with pytest.raises(AppServerProblem) as caught:
        run(packages_in(tmp_path / "kept").fetch("npm", "0.9.0", HERE, digest="sha256:" + "0" * 64))
    assert caught.value.code is Code.DIGEST_MISMATCH


def test_an_archive_that_is_not_the_one_that_the_registry_describes_is_refused_by_npm(
    registry: NpmRegistry, tmp_path: Path
) -> None:
    number = next(number for number in registry.tarballs if number.startswith("0.9.0"))
    true = registry.tarballs[number]
    registry.publish("0.9.0", content="exchanged on the way")
    registry.described[number] = true
    with pytest.raises(AppServerProblem) as caught:
        run(packages_in(tmp_path / "kept").fetch("npm", "0.9.0", HERE))
    assert caught.value.code is Code.PACKAGE_UNAVAILABLE
    assert "EINTEGRITY" in caught.value.seen
