"""Where emitted files go."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from remora.adapters.emitted_folder import write_emitted
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
