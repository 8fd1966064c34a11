"""The folder for our sockets: private, ours, and short enough, or a clear word why not."""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.base.loop import run

from remora.adapters.machine.local_sockets import SOCKET_PATH_LIMIT, SystemSockets
from remora.adapters.machine.runtime_folder import OVERRIDE, runtime_folder
from remora.core.errors import Code, LaunchProblem
from remora.core.link.links import LinkName
from remora.ports import ByteStream

_LONGEST_ALIAS = "a" * 24


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder with a name as short as that of a system's temporary folder."""
    folder = Path(tempfile.mkdtemp(dir="/tmp", prefix="r"))
    yield folder
    shutil.rmtree(folder)


def _private(folder: Path) -> bool:
    facts = folder.lstat()
    return stat.S_ISDIR(facts.st_mode) and stat.S_IMODE(facts.st_mode) == 0o700 and facts.st_uid == os.getuid()


def _home(folder: Path, size: int, letter: str = "h") -> Path:
    """A private folder whose whole name has `size` bytes, or a few less where a letter has several."""
    home = folder
    while (room := size - len(os.fsencode(home)) - 1) > 0:
        part = letter * (min(room, 60) // len(letter.encode()))
        if not part:
            break
        home /= part
    home.mkdir(parents=True, mode=0o700)
    return home


def test_the_session_runtime_folder_is_used_when_it_is_private(short: Path) -> None:
    session = short / "session"
    session.mkdir(mode=0o700)
    found = runtime_folder({"XDG_RUNTIME_DIR": str(session)}, temporary=short)
    assert found == session / "remora"
    assert _private(found)


def test_a_name_that_nobody_can_be_told_is_passed_over(short: Path) -> None:
    session = short / os.fsdecode(b"caf\xe9")
    session.mkdir(mode=0o700)
    assert runtime_folder({"XDG_RUNTIME_DIR": str(session)}, temporary=short) != session / "remora"
    with pytest.raises(LaunchProblem, match="No private folder") as caught:
        runtime_folder({OVERRIDE: str(session)}, temporary=short)
    assert "UTF-8" in caught.value.seen


@pytest.mark.parametrize("letter", ["h", "ü", "漢"])
@pytest.mark.parametrize("size", [40, 60, 90, 200])
def test_f65_every_home_gets_a_folder_in_which_the_longest_socket_fits(short: Path, size: int, letter: str) -> None:
    home = _home(short, size, letter)
    found = runtime_folder({"XDG_RUNTIME_DIR": str(home)}, temporary=short)
    socket_path = found / "links" / f"{LinkName(_LONGEST_ALIAS).file_stem}.sock"
    assert len(os.fsencode(socket_path)) <= SOCKET_PATH_LIMIT
    assert _private(found)
    assert found.is_relative_to(home) == (len(os.fsencode(home)) <= 58)

    async def visit(stream: ByteStream) -> None:
        await stream.write(b"hello")

    async def talk() -> bytes:
        socket_path.parent.mkdir()
        async with SystemSockets().serve(str(socket_path), visit):
            stream = await SystemSockets().connect(str(socket_path))
            said = await stream.read()
            await stream.close()
            return said

    assert run(talk()) == b"hello"


def test_f65_a_home_behind_a_symbolic_link_serves_under_its_short_name(short: Path) -> None:
    long_home = _home(short, 150)
    link = short / "home"
    link.symlink_to(long_home)
    assert runtime_folder({"XDG_RUNTIME_DIR": str(link)}, temporary=short) == link / "remora"


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o777])
def test_a_session_folder_that_others_can_enter_is_not_used(short: Path, mode: int) -> None:
    session = short / "session"
    session.mkdir()
    session.chmod(mode)
    found = runtime_folder({"XDG_RUNTIME_DIR": str(session)}, temporary=short)
    assert not found.is_relative_to(session)
    assert _private(found)


@pytest.mark.parametrize("damage", ["file", "link", "open", "parent"])
def test_a_usual_folder_that_is_damaged_is_told_and_no_second_hub_begins_elsewhere(short: Path, damage: str) -> None:
    session = short / "session"
    session.mkdir(mode=0o700)
    environment = {"XDG_RUNTIME_DIR": str(session)}
    folder = session / "remora"
    if damage in ("open", "parent"):
        assert runtime_folder(environment, temporary=short) == folder
        (folder if damage == "open" else session).chmod(0o777)
    elif damage == "file":
        folder.write_text("")
    else:
        folder.symlink_to(short)
    with pytest.raises(LaunchProblem) as caught:
        runtime_folder(environment, temporary=short)
    assert caught.value.code is Code.RUNTIME_FOLDER_UNUSABLE
    assert str(folder) in caught.value.message
    assert f"mv {folder}" in caught.value.next_step
    assert sorted(short.iterdir()) == [session]


def test_a_relative_session_folder_is_ignored(short: Path) -> None:
    assert runtime_folder({"XDG_RUNTIME_DIR": "run"}, temporary=short).is_absolute()


def test_the_named_folder_is_the_only_one_tried(short: Path) -> None:
    assert runtime_folder({OVERRIDE: str(short / "mine")}, temporary=short) == short / "mine"
    with pytest.raises(LaunchProblem) as caught:
        runtime_folder({OVERRIDE: str(short / ("m" * 100))}, temporary=short)
    assert caught.value.code is Code.RUNTIME_FOLDER_UNUSABLE
    assert "bytes" in caught.value.seen
    assert OVERRIDE in caught.value.next_step


def _refused(folder: Path) -> str:
    with pytest.raises(LaunchProblem) as caught:
        runtime_folder({OVERRIDE: str(folder)})
    assert caught.value.code is Code.RUNTIME_FOLDER_UNUSABLE
    return caught.value.seen


def test_a_link_is_never_followed(short: Path) -> None:
    (short / "elsewhere").mkdir(mode=0o700)
    (short / "mine").symlink_to(short / "elsewhere")
    assert "link" in _refused(short / "mine")


def test_a_file_in_its_place_is_told(short: Path) -> None:
    (short / "mine").write_text("")
    assert "exists" in _refused(short / "mine")


def test_a_folder_that_others_may_write_to_is_not_trusted(short: Path) -> None:
    (short / "mine").mkdir()
    (short / "mine").chmod(0o777)
    assert "other accounts can write" in _refused(short / "mine")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user_is_not_used(short: Path) -> None:
    (short / "mine").mkdir(mode=0o700)
    os.chown(short / "mine", 65534, 65534)
    assert "another user" in _refused(short / "mine")


def test_a_folder_of_ours_that_others_may_read_is_closed(short: Path) -> None:
    (short / "mine").mkdir()
    (short / "mine").chmod(0o755)
    assert _private(runtime_folder({OVERRIDE: str(short / "mine")}))
