"""What a ready marker means, in words."""

import pytest

from remora.core.markers import describe_marker, provision_failed
from remora.core.provisioning import NEVER, Marker, Readiness

_SINCE = 1_000_000_000.0


def marker(readiness: Readiness, **fields: object) -> Marker:
    said = {"since": _SINCE, "digest": "sha256:" + "ab" * 32, "operator": "alice@laptop", **fields}
    return Marker(readiness=readiness, **said)  # type: ignore[arg-type]


def test_every_state_has_words_of_its_own() -> None:
    words = [describe_marker(marker(readiness, step=2, steps=5, step_title="config")) for readiness in Readiness]
    assert len(set(words)) == len(words)
    assert words == [
        "not provisioned by remora",
        "being provisioned at step 2 of 5 (config) since 2001-09-09 01:46 UTC, by alice@laptop",
        "provisioning was interrupted at step 2 of 5 (config) since 2001-09-09 01:46 UTC, by alice@laptop",
        "provisioning failed at step 2 of 5 (config) since 2001-09-09 01:46 UTC, by alice@laptop",
        "ready since 2001-09-09 01:46 UTC, manifest abababababab, by alice@laptop",
    ]


@pytest.mark.parametrize("since", [None, 1e300, -1e300])
def test_a_host_s_clock_may_say_anything(since: float | None) -> None:
    assert describe_marker(marker(Readiness.READY, since=since, digest="", operator="")) == "ready"


def test_only_failed_is_a_failure() -> None:
    assert provision_failed(NEVER) is None
    assert provision_failed(marker(Readiness.INTERRUPTED)) is None
    error = provision_failed(marker(Readiness.FAILED, step=3, detail="no room"))
    assert error is not None
    assert (error.message, error.seen) == ("The last provisioning of this host failed at step 3.", "no room")
