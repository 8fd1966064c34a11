"""A manifest on this machine, and the files beside it."""

from dataclasses import replace
from pathlib import Path

import pytest

from remora.adapters.files.manifest_file import ManifestFile
from remora.core.errors import Code, ConfigProblem
from remora.core.settings import DEFAULT_LIMITS

LIMITS = replace(DEFAULT_LIMITS, manifest=100)


def refusal(path: Path) -> ConfigProblem:
    with pytest.raises(ConfigProblem) as caught:
        ManifestFile(str(path), LIMITS).load()
    assert caught.value.code is Code.MANIFEST_INVALID
    return caught.value


@pytest.mark.parametrize(
    ("content", "line"),
    [(b"a = 1\nb = wheel\n", 2), (b"a = [1,\n2\n\n", 3), (b"[a\nb = 1\n", 1), (b"a = 1\na = 2\n", 2)],
)
def test_a_syntax_error_has_its_line(tmp_path: Path, content: bytes, line: int) -> None:
    file = tmp_path / "box.toml"
    file.write_bytes(content)
    assert refusal(file).message.startswith(f"{file}:{line}: it is not TOML")


def test_what_is_missing_too_large_or_no_text_is_told(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "box.toml").message
    assert "Is a directory" in refusal(tmp_path).message
    file = tmp_path / "box.toml"
    file.write_bytes(b"#" * 101)
    assert "larger than 100 bytes" in refusal(file).message
    file.write_bytes(b"\xff")
    assert "UTF-8" in refusal(file).message


@pytest.mark.parametrize(
    "text",
    [
        f"a = {'9' * 5000}",
        f"a = {'[' * 5000}{']' * 5000}",
        f"a{'.a' * 5000} = 1",
        "\n".join(["[[a]]", f"[a{'.b' * 500}]"]),
    ],
    ids=["digits", "nesting", "keys", "tables"],
)
def test_a_value_without_end_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "box.toml"
    file.write_text(f"{text}\n")
    with pytest.raises(ConfigProblem) as caught:
        ManifestFile(str(file), DEFAULT_LIMITS).load()
    assert "it is not TOML" in caught.value.message


def test_the_mark_that_some_editors_write_first_is_no_part_of_it(tmp_path: Path) -> None:
    for name in ("box.toml", "AGENTS.md"):
        (tmp_path / name).write_text("a = 1\r\n", "utf-8-sig")
    place = ManifestFile(str(tmp_path / "box.toml"), LIMITS)
    assert place.load()[0] == {"a": 1}
    assert place.read("AGENTS.md") == "a = 1\r\n"


def test_paths_begin_at_the_manifest_or_at_home(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "box.toml").write_text("a = 1")
    (tmp_path / "AGENTS.md").write_text("hello")
    place = ManifestFile(str(tmp_path / "sub" / "box.toml"), LIMITS)
    assert place.load()[0] == {"a": 1}
    assert place.absolute("../key") == str(tmp_path / "key")
    assert place.absolute("~/key") == str(Path.home() / "key")
    assert place.absolute("/key") == "/key"
    assert place.read("../AGENTS.md") == "hello"
    with pytest.raises(ValueError, match=f"{tmp_path}/sub/none does not exist"):
        place.read("none")


def test_the_home_of_nobody_is_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert "does not exist" in refusal(Path("~nobody-of-that-name/box.toml")).message
    with pytest.raises(ValueError, match="does not exist"):
        ManifestFile(str(tmp_path / "box.toml"), DEFAULT_LIMITS).read("~nobody-of-that-name/key")
