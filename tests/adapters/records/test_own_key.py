"""The key by which this machine knows its own runs."""

from pathlib import Path

import pytest

from remora.adapters.records.own_key import own_key
from remora.core.errors import Code, ConfigProblem


def test_a_key_is_made_once_and_for_nobody_else(tmp_path: Path) -> None:
    first = own_key(tmp_path / "own")
    assert own_key(tmp_path / "own") == first
    assert (tmp_path / "own/own.key").stat().st_mode & 0o777 == 0o600


def test_a_folder_in_the_place_of_the_key_is_to_be_moved(tmp_path: Path) -> None:
    (tmp_path / "own.key").mkdir()
    with pytest.raises(ConfigProblem) as caught:
        own_key(tmp_path)
    assert caught.value.code is Code.PLACE_UNUSABLE
    assert str(tmp_path / "own.key") in caught.value.message
    assert caught.value.next_step.startswith("Move that file away")
    assert str(tmp_path) in caught.value.next_step
