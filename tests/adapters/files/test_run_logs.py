"""Logs of runs on this machine."""

import stat
from pathlib import Path

import pytest

from remora.adapters.files.run_logs import LogFiles
from remora.testing.manual_clock import ManualClock


def test_a_log_is_private_and_named_by_host_and_time(tmp_path: Path) -> None:
    logs = LogFiles(tmp_path / "remora" / "provision", keep=3, clock=ManualClock())
    first, second = logs.open("devbox"), logs.open("devbox")
    first.write("one")
    second.write("two \udcff")
    for log in (first, second):
        log.close()
        assert stat.S_IMODE(Path(log.path).stat().st_mode) == 0o600
        assert Path(log.path).name.startswith("devbox-")
    assert first.path != second.path
    assert Path(first.path).read_text() == "one\n"
    assert stat.S_IMODE(Path(first.path).parent.stat().st_mode) == 0o700


def test_the_newest_of_each_host_are_kept(tmp_path: Path) -> None:
    for number in range(6):
        (tmp_path / f"ci-2026010{number}T000000Z.log").touch()
        (tmp_path / f"ci-1-2026010{number}T000000Z.log").touch()
    (tmp_path / "ci-notes.log").touch()
    logs = LogFiles(tmp_path, keep=3, clock=ManualClock())
    logs.open("ci").close()
    names = sorted(path.name for path in tmp_path.iterdir())
    assert len([name for name in names if name.startswith("ci-1-")]) == 6
    kept = [name for name in names if name.startswith("ci-2026")]
    assert kept == ["ci-20260104T000000Z.log", "ci-20260105T000000Z.log"]
    assert "ci-notes.log" in names


@pytest.mark.parametrize("alias", ["../../evil", "/tmp/evil", "a/b", "a\nb"])
def test_no_alias_leads_out_of_the_folder(alias: str, tmp_path: Path) -> None:
    log = LogFiles(tmp_path / "logs", keep=3, clock=ManualClock()).open(alias)
    log.close()
    assert Path(log.path).parent == tmp_path / "logs"
    assert "\n" not in log.path
