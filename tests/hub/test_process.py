"""The hub as a process: one and no more, whatever happens to it, and never in anybody's way."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.support.base.program import remora
from tests.support.base.until import LIMIT, wait_until
from tests.support.link.hubs import HubPlace, hub_place

from remora.core.errors import ExitCode
from remora.hub.shared.lock import holder_of

_QUICK = "[limits]\nhub_answer = 0.5\n"


@pytest.fixture
def place() -> Iterator[HubPlace]:
    with hub_place() as made:
        yield made


@pytest.fixture
def quick(place: HubPlace) -> tuple[str, str]:
    """Options that make a command wait less for a hub that hangs."""
    settings = place.folder / "settings.toml"
    settings.write_text(_QUICK)
    return "--config", str(settings)


def test_a_look_starts_no_hub(place: HubPlace) -> None:
    assert place.document("status")["hub"]["running"] is False
    assert place.document("hub", "status")["hub"]["running"] is False
    assert place.document("disconnect", "devbox")["hosts"][0]["changed"] is False
    assert place.document("hub", "stop")["changed"] is False
    assert place.pid is None


@pytest.mark.parametrize(
    "words",
    [
        ["connect", "nosuch"],
        ["connect", "--foreground", "nosuch"],
        ["forward", "nosuch", "8080"],
        ["forward", "--egress", "nosuch", "example.com"],
        ["bridge", "nosuch"],
    ],
    ids=" ".join,
)
def test_for_a_host_that_is_none_no_hub_is_started(place: HubPlace, words: list[str]) -> None:
    done = place.run(*words)
    assert done.returncode == ExitCode.CONFIG
    assert b"alias-unknown" in done.stderr
    assert place.pid is None


def test_it_is_started_once_and_ended_once(place: HubPlace) -> None:
    first = place.document("hub", "start")
    again = place.document("hub", "start")
    assert (first["changed"], again["changed"]) == (True, False)
    assert first["hub"]["pid"] == again["hub"]["pid"] == place.pid
    assert place.document("hub", "stop")["changed"] is True
    assert place.pid is None
    assert not place.places.socket.exists()
    assert place.document("hub", "stop")["changed"] is False


def test_ten_at_once_start_one(place: HubPlace) -> None:
    words = [sys.executable, "-m", "remora", "hub", "start", "--json"]
    environment = {**os.environ, **place.environment}
    starting = [subprocess.Popen(words, stdout=subprocess.PIPE, env=environment) for _ in range(10)]
    documents = [json.loads(each.communicate(timeout=LIMIT)[0]) for each in starting]
    assert {document["hub"]["pid"] for document in documents} == {place.pid}
    assert place.log.read_text().count("process") == 1


def test_it_is_nobodys_child_and_holds_neither_terminal_nor_folder_nor_private_files_open(place: HubPlace) -> None:
    place.run("hub", "start")
    proc = Path(f"/proc/{place.pid}")
    if not proc.is_dir():
        pytest.skip("no /proc here")
    fields = (proc / "stat").read_text().rpartition(")")[2].split()
    assert fields[1] == "1" or int(fields[1]) != os.getpid()
    assert fields[4] == "0"  # no controlling terminal
    assert (proc / "cwd").readlink() == Path("/")
    assert {(proc / f"fd/{number}").readlink() for number in (0, 1, 2)} == {Path(os.devnull)}
    assert place.places.socket.stat().st_mode & 0o777 == 0o600
    assert place.log.stat().st_mode & 0o777 == 0o600


def test_it_outlives_the_terminal(place: HubPlace) -> None:
    place.run("hub", "start")
    pid = place.pid
    assert pid is not None
    os.kill(pid, signal.SIGHUP)
    assert place.document("status")["hub"]["pid"] == pid


def test_killed_it_leaves_nothing_that_blocks(place: HubPlace) -> None:
    place.run("hub", "start")
    pid = place.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: place.pid is None)
    assert place.places.socket.exists()
    assert place.document("status")["hub"]["running"] is False
    assert place.document("hub", "start")["changed"] is True
    assert place.pid != pid


def test_doors_of_programs_that_were_killed_are_cleared_away_and_those_of_the_living_stay(place: HubPlace) -> None:
    place.places.folder.mkdir(mode=0o700)
    with subprocess.Popen(["true"]) as ended:
        pass
    doors = [place.places.folder / f"own-{pid}-0123abcd.sock" for pid in (ended.pid, os.getpid(), "nobody")]
    for door in doors:
        with closing(socket.socket(socket.AF_UNIX)) as bound:
            bound.bind(str(door))

    place.run("hub", "start")

    assert [door.exists() for door in doors] == [False, True, True]


def test_odd_bytes_in_the_names_of_its_folders_stop_no_hub() -> None:
    with hub_place() as place:
        odd = {**place.environment, "XDG_STATE_HOME": str(place.folder / "state-\udcff")}
        other = HubPlace(place.folder, odd)
        assert other.document("hub", "start")["changed"] is True
        assert other.document("status")["hub"]["log"].endswith("state-\\xff/remora/log/hub.log")


def test_a_hub_that_hangs_is_told_of_and_can_be_ended(place: HubPlace, quick: tuple[str, str]) -> None:
    place.run("hub", "start")
    pid = place.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    for words in (["status"], ["connect", "devbox"], ["disconnect", "devbox"], ["hub", "start"]):
        document = place.document(*words, *quick)
        assert document["error"]["code"] == "hub-mute", words
        assert "remora hub stop" in document["error"]["next"]
    assert place.document("hub", "stop", *quick)["changed"] is True
    assert place.pid is None


def test_f65_a_removed_folder_comes_back(place: HubPlace) -> None:
    place.run("hub", "start")
    pid = place.pid
    shutil.rmtree(place.places.folder)
    wait_until(place.places.socket.exists)
    assert place.document("status")["hub"]["pid"] == pid
    assert place.pid == pid


def test_f65_of_two_the_older_one_goes(place: HubPlace) -> None:
    place.run("hub", "start")
    older = place.pid
    shutil.rmtree(place.places.folder)
    assert place.document("hub", "start")["hub"]["pid"] != older or place.pid == older
    wait_until(lambda: not Path(f"/proc/{older}").exists() or place.pid == older)
    assert place.document("status")["hub"]["pid"] == place.pid


@pytest.mark.parametrize("kind", ["long", "file", "open"])
def test_f65_a_folder_that_cannot_be_used_is_said(kind: str, place: HubPlace) -> None:
    folder = place.folder / ("x" * 120 if kind == "long" else "other")
    if kind == "file":
        folder.write_text("")
    if kind == "open":
        folder.mkdir()
        folder.chmod(0o777)
    place.environment["REMORA_RUNTIME_DIR"] = str(folder)
    done = place.run("connect", "devbox")
    assert done.returncode == ExitCode.LAUNCH
    assert b"runtime-folder-unusable" in done.stderr
    assert str(folder).encode() in done.stderr
    assert b"Traceback" not in done.stderr


def test_what_cannot_start_is_told_in_its_own_words(place: HubPlace) -> None:
    place.places.folder.mkdir(mode=0o700)
    place.places.lock.mkdir()
    error = place.document("hub", "start")["error"]
    assert (error["code"], error["stage"]) == ("runtime-folder-unusable", "hub"), error
    assert "hub.lock" in error["message"] + error["seen"], error


def test_nobody_is_disturbed_by_a_caller_that_talks_rubbish_or_nothing(place: HubPlace) -> None:
    place.run("hub", "start")
    callers = [socket.socket(socket.AF_UNIX) for _ in range(20)]
    for number, caller in enumerate(callers):
        caller.connect(str(place.places.socket))
        if number % 2:
            caller.sendall(b"\x00\xff GET / HTTP/1.1\r\n\r\n" * number)
    assert place.document("status")["hub"]["running"] is True
    for caller in callers:
        with closing(caller):
            assert caller.recv(7) == b'{"type"'


def test_the_hub_loads_nothing_for_terminals_and_no_ssh_before_it_is_needed(place: HubPlace) -> None:
    script = "import sys, remora.hub.main; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=LIMIT, check=True)
    assert not {"typer", "rich", "asyncssh", "websockets"} & set(done.stdout.split())


def test_a_reader_that_goes_away_ends_a_command_quietly(place: HubPlace) -> None:
    for words in (["status"], ["hub", "status"], ["connect", "nobody", "-q"], ["hub", "logs"]):
        reading, writing = os.pipe()
        os.close(reading)
        command = [sys.executable, "-m", "remora", *words]
        environment = {**os.environ, **place.environment}
        done = subprocess.run(
            command, stdout=writing, stderr=subprocess.PIPE, timeout=LIMIT, check=False, env=environment
        )
        os.close(writing)
        assert b"Traceback" not in done.stderr
        assert b"never retrieved" not in done.stderr
    place.run("hub", "stop")


def test_in_the_foreground_it_is_the_process_itself(place: HubPlace) -> None:
    words = [sys.executable, "-m", "remora", "hub", "start", "--foreground"]
    with subprocess.Popen(words, env={**os.environ, **place.environment}, stderr=subprocess.PIPE) as child:
        wait_until(lambda: holder_of(place.places.lock) is not None and place.places.socket.exists())
        assert place.document("status")["hub"]["pid"] == child.pid
        second = place.run("hub", "start", "--foreground")
        assert second.returncode == ExitCode.LAUNCH
        assert b"Another hub already runs" in second.stderr
        assert b"next:  Stop it with: remora hub stop" in second.stderr
        child.terminate()
        _, said = child.communicate(timeout=LIMIT)
    assert child.returncode == 0
    assert b"ending: SIGTERM came" in said


def test_its_log_can_be_read(place: HubPlace) -> None:
    assert place.document("hub", "logs")["lines"] == []
    place.run("hub", "start")
    shown = place.run("hub", "logs", "-n", "1")
    assert f"process {place.pid}" in shown.stdout.decode()
    assert place.document("hub", "logs")["file"] == str(place.log)


def test_a_hub_in_the_foreground_takes_no_time_limit() -> None:
    done = remora("hub", "start", "--foreground", "--timeout", "3")
    assert done.returncode == ExitCode.USAGE
    assert b"--timeout" in done.stderr
