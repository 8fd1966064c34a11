"""Is there a codex that these tests do not know?

A new version must not break the tests of a change that has nothing to do with it, so the summary of every run says it
(``XFAIL … codex 0.172.0 is published``). With ``REMORA_NEWEST=1`` the test fails, for a nightly job.
"""

import os
from pathlib import Path

import pytest
from tests.support.codex.binaries import NEWEST, FetchFailed, published
from tests.support.provision.npm_registry import npm_registry

pytestmark = pytest.mark.codex

STRICT = os.environ.get("REMORA_NEWEST") == "1"


def behind(newest: str, latest: str) -> bool:
    return [int(part) for part in newest.split(".")] < [int(part) for part in latest.split(".")]


def test_the_newest_published_codex_is_in_the_matrix() -> None:
    try:
        latest = published()
    except FetchFailed as failure:
        told(str(failure))
        return
    if behind(NEWEST, latest):
        told(
            f"codex {latest} is published and {NEWEST} is the newest tested: add it to tests/support/codex/binaries.py"
        )


def told(reason: str) -> None:
    if STRICT:
        pytest.fail(reason, pytrace=False)
    pytest.xfail(reason)


@pytest.mark.parametrize(("newest", "latest", "expected"), [
    ("0.171.0", "0.171.0", False),
    ("0.171.0", "0.171.1", True),
    ("0.99.0", "0.100.0", True),
    ("0.171.0", "1.0.0", True),
    ("0.171.0", "0.170.9", False),
])  # fmt: skip
def test_versions_are_compared_as_numbers(newest: str, latest: str, expected: bool) -> None:
    assert behind(newest, latest) is expected


def test_the_latest_version_is_what_the_registry_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with npm_registry(tmp_path) as registry:
        for name, value in registry.environment.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(FetchFailed, match="did not name the latest codex"):
            published()
        registry.publish("0.999.1")
        assert published() == "0.999.1"
