"""Rendered output compared with a file that a person has read."""

import os
from pathlib import Path

_FOLDER = Path(__file__).parents[2] / "golden"


def assert_golden(name: str, text: str) -> None:
    """Fail when `text` differs from ``tests/golden/NAME``. With ``REMORA_GOLDEN=write`` it is written instead."""
    path = _FOLDER / name
    if os.environ.get("REMORA_GOLDEN") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), f"differs from {path.name}; REMORA_GOLDEN=write accepts it"
