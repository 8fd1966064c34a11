"""Where emitted files go."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from remora.adapters.files.emitted_folder import write_emitted
from remora.core.errors import UsageProblem
from remora.ports import Package


@dataclass(frozen=True)
class Text:
    path: str
    content: bytes = b"x"
    package: Package | None = None
    executable: bool = False


@pytest.mark.parametrize("path", ["../evil", "a/../../evil", "/tmp/evil-of-remora"])
def test_no_file_lies_outside_of_the_folder(path: str, tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="outside"):
        write_emitted(str(tmp_path / "out"), [Text(path)])
    assert list(tmp_path.iterdir()) == []


def test_files_lie_where_they_say(tmp_path: Path) -> None:
    write_emitted(str(tmp_path / "out"), [Text("a/b"), Text("a/b")])
    assert [path.name for path in (tmp_path / "out/a").iterdir()] == ["b"]


def test_nothing_is_written_through_a_link_that_lies_there(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    out = tmp_path / "out"
    out.mkdir()
    for name in ("playbook.yml", ".playbook.yml.new"):
        (out / name).symlink_to(precious)
    write_emitted(str(out), [Text("playbook.yml", b"new")])
    assert precious.read_text() == "mine"
    assert not (out / "playbook.yml").is_symlink()
    assert (out / "playbook.yml").read_bytes() == b"new"
    assert (out / "playbook.yml").stat().st_mode & 0o777 == 0o644
    assert sorted(path.name for path in out.iterdir()) == [".playbook.yml.new", "playbook.yml"]
