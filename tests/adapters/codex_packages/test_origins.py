"""Digests that are remembered: never a wrong one, and no second reading without need."""

import json
from pathlib import Path

from remora.adapters.codex_packages.contents import origin_digest
from remora.adapters.codex_packages.origins import Origins


def test_a_file_that_has_just_changed_is_not_trusted(tmp_path: Path) -> None:
    file, record = tmp_path / "codex.tar.gz", tmp_path / "kept/.origins"
    file.write_bytes(b"one")
    assert Origins(record).digest(file) == origin_digest(file)
    assert not record.exists()


def test_a_settled_file_is_not_read_again_and_a_change_is_noticed(tmp_path: Path) -> None:
    program, record = Path("/bin/sh").resolve(), tmp_path / "kept/.origins"  # changed long ago, and not while tests run
    Origins(record).digest(program)
    known = json.loads(record.read_bytes())
    (name,) = known
    known[name][1] = "as remembered"
    record.write_text(json.dumps(known))
    assert Origins(record).digest(program) == "as remembered"
    known[name][0] = "another time"
    record.write_text(json.dumps(known))
    assert Origins(record).digest(program) == origin_digest(program)


def test_a_record_that_cannot_be_read_counts_as_empty(tmp_path: Path) -> None:
    record = tmp_path / ".origins"
    for rubbish in (b"", b"[1]", b'{"a": 1}', b"\xff"):
        record.write_bytes(rubbish)
        file = tmp_path / "codex.tar.gz"
        file.write_bytes(b"two")
        assert Origins(record).digest(file) == origin_digest(file)
