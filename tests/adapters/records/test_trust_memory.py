"""What is remembered of repositories, and what becomes of it when the file is not what it was."""

import os
from pathlib import Path

import pytest

from remora.adapters.records.trust_memory import TrustFile
from remora.core.errors import ConfigProblem
from remora.core.trust.verdict import TrustedBy, TrustRecord

YES = TrustRecord(digest="d", by=TrustedBy.ANSWER)
NO = TrustRecord(digest="d", by=None)


def test_an_answer_is_for_one_folder_of_one_machine(tmp_path: Path) -> None:
    TrustFile(tmp_path).remember("here", "/srv/app", YES)
    memory = TrustFile(tmp_path)
    assert memory.recall("here", "/srv/app") == YES
    assert memory.recall("there", "/srv/app") is None
    assert memory.recall("here", "/srv") is None
    memory.remember("here", "/srv/app", NO)
    assert TrustFile(tmp_path).recall("here", "/srv/app") == NO


def test_what_is_near_is_known(tmp_path: Path) -> None:
    memory = TrustFile(tmp_path)
    assert not memory.knows("/")
    memory.remember("here", "/srv/app", YES)
    assert all(memory.knows(folder) for folder in ("/", "/srv", "/srv/app", "/srv/app/deep"))
    assert not memory.knows("/srv/application")


def test_the_file_is_closed_to_others(tmp_path: Path) -> None:
    TrustFile(tmp_path / "new").remember("here", 'a "b"\n[c]', YES)
    (file,) = (tmp_path / "new").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert TrustFile(tmp_path / "new").recall("here", 'a "b"\n[c]') == YES


@pytest.mark.parametrize("damage", ["pipe", "folder", "link", "others may write", "noise", "numbers"])
def test_a_file_that_is_not_what_it_was_remembers_nothing(tmp_path: Path, damage: str) -> None:
    memory = TrustFile(tmp_path)
    memory.remember("here", "/srv/app", YES)
    (file,) = tmp_path.iterdir()
    text = file.read_text()
    if damage == "others may write":
        file.chmod(0o666)
    else:
        file.unlink()
    match damage:
        case "pipe":
            os.mkfifo(file)
        case "folder":
            file.mkdir()
        case "link":
            (tmp_path / "other").write_text(text)
            file.symlink_to(tmp_path / "other")
        case "noise":
            file.write_bytes(b"\xff\x00{\n[]\n{}\n")
        case "numbers":
            file.write_text('{"kind": "folder", "machine": 1, "folder": 2, "sha256": 3, "by": 4}\n3\n')
    assert memory.recall("here", "/srv/app") is None
    memory.remember("here", "/srv/other", NO)


def test_what_a_manifest_names_holds_for_its_folder_and_below(tmp_path: Path) -> None:
    memory = TrustFile(tmp_path)
    memory.remember("here", "/srv/app", NO)
    memory.expect("here", "/srv/app", TrustRecord(digest="h", by=TrustedBy.MANIFEST))
    assert memory.recall("here", "/srv/app") == NO
    assert TrustFile(tmp_path).expected("here", "/srv/app") == "h"
    assert all(memory.expects("here", folder, "h") for folder in ("/srv/app", "/srv/app/deep"))
    others = [("there", "/srv/app", "h"), ("here", "/srv", "h"), ("here", "/srv/application", "h")]
    assert not any(memory.expects(*other) for other in [*others, ("here", "/srv/app", "other")])
    memory.expect("here", "/srv/app", TrustRecord(digest="new", by=TrustedBy.MANIFEST))
    assert not memory.expects("here", "/srv/app", "h")


def test_what_is_forgotten_is_that_of_one_folder_of_one_host(tmp_path: Path) -> None:
    memory = TrustFile(tmp_path)
    for alias, folder in [
        ("box", "/home/me/app"),
        ("box", "/home/me/app/sub"),
        ("box", "/srv/app"),
        ("other", "/srv/app"),
    ]:
        memory.remember(f"id-of-{alias} /home/me/.codex", folder, TrustRecord(digest="d", by=None, alias=alias))
        memory.expect(f"id-of-{alias}", folder, TrustRecord(digest="d", by=TrustedBy.MANIFEST, alias=alias))
    assert memory.forget("box", "/home/me") == memory.forget("nobody", None) == memory.forget("box", "pp") == []
    assert {kept.folder for kept in memory.forget("box", "~/app/")} == {"/home/me/app", "/srv/app"}
    left = [(kept.host, kept.folder) for kept in TrustFile(tmp_path).kept()]
    assert left == [("box", "/home/me/app/sub")] * 2 + [("other", "/srv/app")] * 2
    assert len(memory.forget("id-of-other", None)) == 2
    assert len(memory.forget("box", None)) == 2
    assert memory.kept() == []


def test_what_cannot_be_forgotten_is_said(tmp_path: Path) -> None:
    memory = TrustFile(tmp_path)
    memory.remember("here", "/srv/app", YES)
    (tmp_path / f"trusted-repositories.{os.getpid()}").mkdir()  # where the new file would be written
    with pytest.raises(ConfigProblem, match="trusted-repositories cannot be written"):
        memory.forget("here", "/srv/app")
    assert memory.recall("here", "/srv/app") == YES
