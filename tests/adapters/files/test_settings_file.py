"""Where settings come from."""

from pathlib import Path

import pytest

from remora.adapters.files.settings_file import load_settings
from remora.core.errors import Code, ConfigProblem
from remora.core.settings import DEFAULT_SETTINGS


def test_a_named_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "remora.toml"
    file.write_text("[limits]\nconnect = 3.5\n")
    assert load_settings(str(file)).limits.connect == 3.5


def test_the_usual_file_need_not_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load_settings() == DEFAULT_SETTINGS


@pytest.mark.parametrize("content", [b"limits = [", b"\xff\xfe", None])
def test_an_unusable_named_file_is_one_sentence(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "remora.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigProblem) as caught:
        load_settings(str(file))
    assert caught.value.code is Code.SETTINGS_INVALID
    assert str(file) in caught.value.message


def test_a_folder_is_no_settings_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigProblem, match="cannot be used"):
        load_settings(str(tmp_path))
