"""What codex's automatic reviewer looks at and decides, as events."""

from collections.abc import Mapping
from typing import Any

from remora.wire.appserver.calls import mapping, text
from remora.wire.reports.run import ReviewCompleted, ReviewStarted


def review_started(params: Mapping[str, Any]) -> ReviewStarted:
    """A review begins."""
    return ReviewStarted(**_subject(params))


def review_completed(params: Mapping[str, Any]) -> ReviewCompleted:
    """A review has its verdict."""
    review = mapping(params.get("review"))
    return ReviewCompleted(
        **_subject(params),
        verdict=text(review.get("status")) or "unknown",
        risk=text(review.get("riskLevel")),
        authorization=text(review.get("userAuthorization")),
        rationale=text(review.get("rationale")),
        decided_by=text(params.get("decisionSource")),
    )


def _subject(params: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "review_id": text(params.get("reviewId")) or "",
        "turn_id": text(params.get("turnId")),
        "item_id": text(params.get("targetItemId")),
        "target": dict(mapping(params.get("action"))),
    }
