"""``connect``, ``disconnect`` and ``status`` against a real sshd, as a person and as a script use them."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.base.until import LIMIT, until, wait_until
from tests.support.link.hubs import HubPlace, hub_place
from tests.support.link.link_scene import sshd
from tests.support.screen.terminal_program import on_terminal
from tests.support.sshd.account_sshd import AccountSshd
from tests.support.sshd.agents import ssh_agent
from tests.support.sshd.system_sshd import free_port, make_key

from remora.core.errors import ExitCode

__all__ = ["sshd"]

pytestmark = pytest.mark.sshd


@pytest.fixture
def place(sshd: AccountSshd) -> Iterator[HubPlace]:
    """A hub's place whose SSH config has devbox, the same machine as twin, and some hosts with trouble."""
    with hub_place() as made:
        config = made.folder / "config"
        config.write_text("\n".join([*_hosts(sshd, made.folder), "Host dead\n  HostName 127.0.0.1\n  Port 1\n"]))
        made.environment["REMORA_SSH_CONFIG"] = str(config)
        yield made


def _hosts(sshd: AccountSshd, folder: Path) -> list[str]:
    key = str(make_key(folder / "stranger"))
    known = sshd.ssh_config()
    twin = known.replace("devbox", "twin", 1)
    refused = known.replace("devbox", "refused", 1).replace(str(sshd.identity), key)
    unknown = known.replace("devbox", "unknown", 1).replace(str(sshd.known_hosts), str(folder / "known_hosts"))
    locked = known.replace("devbox", "locked", 1).replace(str(sshd.identity), str(folder / "locked"))
    make_key(folder / "locked", passphrase="open sesame")
    with sshd.authorized_keys.open("a") as keys:
        keys.write((folder / "locked.pub").read_text())
    return [known, twin, refused, unknown, locked]


def _links(place: HubPlace) -> dict[str, str]:
    return {link["host"]: link["liveness"] for link in place.document("status")["links"]}


def test_connect_makes_a_link_that_stays_and_a_second_one_changes_nothing(place: HubPlace, sshd: AccountSshd) -> None:
    first = place.run("connect", "devbox")
    assert first.returncode == 0, first.stderr
    (result,) = place.document("connect", "devbox")["hosts"]
    assert (result["ok"], result["changed"]) == (True, False)
    assert Path(result["link"]["socket"]).is_socket()
    assert result["link"]["socket"] in first.stdout.decode()
    assert place.run("connect", "devbox", "-q").stdout.decode().split() == [result["link"]["socket"]]
    assert sshd.accepted_logins() == 1
    assert _links(place) == {"devbox": "live"}


def test_disconnect_drops_it_twice_and_leaves_the_server(place: HubPlace) -> None:
    link = place.document("connect", "devbox")["hosts"][0]["link"]
    done = [place.document("disconnect", "devbox")["hosts"][0] for _ in range(2)]
    assert [(each["ok"], each["changed"], each["server"]) for each in done] == [
        (True, True, "left"),
        (True, False, "left"),
    ]
    assert not Path(link["socket"]).exists()
    assert place.document("connect", "devbox")["hosts"][0]["link"]["launch_mode"] == "adopted"


def test_two_names_of_one_machine_share_a_link_and_have_a_socket_each(place: HubPlace, sshd: AccountSshd) -> None:
    report = place.document("connect", "devbox", "twin")
    assert [result["ok"] for result in report["hosts"]] == [True, True]
    sockets = {result["link"]["socket"] for result in report["hosts"]}
    (link,) = place.document("status")["links"]
    assert sorted(link["aliases"]) == ["devbox", "twin"]
    assert len(sockets) == 2
    wait_until(lambda: len(sshd.connection_processes()) == 1)
    assert place.document("disconnect", "devbox")["hosts"][0]["changed"] is True
    assert _links(place) == {"twin": "live"}
    assert sorted(Path(socket).exists() for socket in sockets) == [False, True]
    assert [each["host"] for each in place.document("disconnect", "--all")["hosts"]] == ["twin"]
    assert _links(place) == {}


def test_f90_a_failure_belongs_to_its_host(place: HubPlace) -> None:
    report = place.document("connect", "dead", "devbox", "refused")
    assert [(each["host"], each["ok"]) for each in report["hosts"]] == [
        ("dead", False),
        ("devbox", True),
        ("refused", False),
    ]
    assert report["exit_code"] == ExitCode.PARTIAL
    assert [each["error"]["code"] for each in report["hosts"] if each["error"]] == [
        "connection-refused",
        "authentication-refused",
    ]
    assert place.run("connect", "dead").returncode == ExitCode.UNREACHABLE
    shown = place.run("connect", "refused")
    assert shown.returncode == ExitCode.AUTHENTICATION
    assert b"next:" in shown.stderr
    assert _links(place) == {"devbox": "live", "refused": "needs-human"}


def test_a_dry_run_starts_nothing(place: HubPlace, sshd: AccountSshd) -> None:
    assert place.document("connect", "devbox", "--dry-run")["kind"] == "launch-plan"
    assert place.pid is None
    assert place.run("connect", "devbox", "twin", "--dry-run").returncode == ExitCode.USAGE


def test_f23_nobody_is_asked_without_a_terminal(place: HubPlace) -> None:
    error = place.document("connect", "locked")["hosts"][0]["error"]
    assert error["verdict"] == "needs-human"
    assert _links(place) == {"locked": "needs-human"}


def test_f23_the_terminal_that_called_is_asked(place: HubPlace) -> None:
    async def go() -> str:
        async with on_terminal("connect", "unknown", environment=place.environment) as program:
            await program.screen.shows("Type no, once or add:")
            program.screen.type("add\n")
            await program.screen.shows("live")
            assert await program.ends() == 0
        async with on_terminal("connect", "locked", environment=place.environment) as program:
            await program.screen.shows("assphrase")
            await until(lambda: not program.screen.echoes)
            program.screen.type("open sesame\n")
            await program.screen.shows("live")
            assert await program.ends() == 0
            return program.screen.seen

    seen = run(go())
    assert "open sesame" not in seen
    assert "open sesame" not in place.log.read_text()
    (link,) = place.document("status")["links"]
    assert sorted(link["aliases"]) == ["locked", "unknown"]


def test_a_caller_killed_while_it_asks_leaves_a_link_that_says_what_it_needs(place: HubPlace) -> None:
    async def go() -> None:
        async with on_terminal("connect", "locked", environment=place.environment) as program:
            await program.screen.shows("assphrase")
            program.process.kill()
            await program.process.wait()

    run(go())
    wait_until(lambda: _links(place) == {"locked": "needs-human"})
    (link,) = place.document("status", "locked")["links"]
    assert link["error"]["code"] in {"prompt-unattended", "key-unusable", "authentication-refused"}


def test_in_the_foreground_the_link_lasts_until_ctrl_c(place: HubPlace) -> None:
    words = [sys.executable, "-m", "remora", "connect", "devbox", "--foreground", "--json"]
    environment = {**os.environ, **place.environment}
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as child:
        assert child.stdout is not None
        assert json.loads(child.stdout.readline())["ok"] is True
        assert _links(place) == {"devbox": "live"}
        child.send_signal(signal.SIGINT)
        assert child.wait(LIMIT) == 0
    assert _links(place) == {}


def test_in_the_foreground_a_killed_caller_lets_go_but_not_of_what_others_want(place: HubPlace) -> None:
    words = [sys.executable, "-m", "remora", "connect", "devbox", "--foreground", "--json"]
    environment = {**os.environ, **place.environment}
    for wanted in (False, True):
        with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as child:
            assert child.stdout is not None
            assert json.loads(child.stdout.readline())["ok"] is True
            if wanted:
                place.run("connect", "devbox")
            child.kill()
        if not wanted:
            wait_until(lambda: _links(place) == {})
    assert _links(place) == {"devbox": "live"}


def test_status_can_be_watched_through_the_life_of_a_hub(place: HubPlace) -> None:
    words = [sys.executable, "-m", "remora", "status", "--watch", "--json"]
    environment = {**os.environ, **place.environment}
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as child:
        assert child.stdout is not None
        assert json.loads(child.stdout.readline())["hub"]["running"] is False
        place.run("connect", "devbox")
        while [link["liveness"] for link in json.loads(child.stdout.readline())["links"]] != ["live"]:
            pass
        place.run("disconnect", "devbox")
        while json.loads(child.stdout.readline())["links"]:
            pass
        place.run("hub", "stop")
        while json.loads(child.stdout.readline())["hub"]["running"]:
            pass
        child.send_signal(signal.SIGINT)
        assert child.wait(LIMIT) == ExitCode.INTERRUPTED


async def test_waiting_for_a_host_is_shown(place: HubPlace, sshd: AccountSshd) -> None:
    (sshd.home / ".bash_profile").write_text("sleep 2\n")
    async with on_terminal("connect", "devbox", environment=place.environment) as program:
        await program.screen.shows("connecting")
        await program.screen.shows("live")
        assert await program.ends() == 0


def test_stop_server_ends_ours(place: HubPlace) -> None:
    place.run("connect", "devbox")
    document = place.document("disconnect", "devbox", "--stop-server")
    assert document["hosts"][0]["server"] == "stopped", document
    assert place.document("connect", "devbox")["hosts"][0]["link"]["launch_mode"] == "detached"


@pytest.mark.parametrize("hub", ["a hub", "no hub"])
def test_a_server_that_no_link_leads_to_is_not_said_to_be_stopped(place: HubPlace, hub: str) -> None:
    place.run("connect", "devbox")
    place.run(*(("disconnect", "devbox") if hub == "a hub" else ("hub", "stop")))
    assert place.run("disconnect", "devbox").returncode == ExitCode.DONE
    done = place.run("disconnect", "devbox", "--stop-server")
    assert done.returncode == ExitCode.LAUNCH
    assert b"was not stopped" in done.stderr
    assert b"next:  Make one with: remora connect devbox" in done.stderr


@pytest.mark.parametrize("words", [("connect", "devbox", "--foreground"), ("status", "--watch"), ("hub", "logs", "-f")])
def test_the_time_limit_ends_what_would_go_on_for_ever(place: HubPlace, words: tuple[str, ...]) -> None:
    place.run("connect", "devbox")
    done = place.run(*words, "--timeout", "1.5")
    assert done.returncode == ExitCode.TIME_LIMIT
    assert b"did not end within 1.5 seconds" in done.stderr


@pytest.fixture
def agent() -> Iterator[str]:
    """The socket of an ssh-agent without keys."""
    with ssh_agent() as socket:
        yield socket


def test_f25_the_agent_of_the_latest_caller_is_used(place: HubPlace, sshd: AccountSshd, agent: str) -> None:
    config = place.folder / "config"
    bare = [line for line in sshd.ssh_config("keyless").splitlines() if "Identi" not in line]
    config.write_text("\n".join([config.read_text(), *bare, "  IdentityFile none\n"]))
    place.environment["SSH_AUTH_SOCK"] = "/nowhere"
    assert place.document("connect", "keyless")["hosts"][0]["error"]["code"] == "authentication-refused"
    environment = {**os.environ, "SSH_AUTH_SOCK": agent}
    subprocess.run(["ssh-add", "-q", str(sshd.identity)], env=environment, check=True, timeout=LIMIT)
    place.environment["SSH_AUTH_SOCK"] = agent
    (result,) = place.document("connect", "keyless")["hosts"]
    assert result["ok"], result["error"]


def test_a_link_dials_with_the_agent_of_who_asked_for_it(place: HubPlace, sshd: AccountSshd, agent: str) -> None:
    config = place.folder / "config"
    bare = [line for line in sshd.ssh_config("keyless").splitlines() if "Identi" not in line]
    lines = [*bare, "  IdentityFile none", "Host nobody", f"  HostName 127.0.0.1\n  Port {free_port()}"]
    config.write_text("\n".join([config.read_text(), *lines, ""]))
    environment = {**os.environ, "SSH_AUTH_SOCK": agent}
    subprocess.run(["ssh-add", "-q", str(sshd.identity)], env=environment, check=True, timeout=LIMIT)
    place.environment["SSH_AUTH_SOCK"] = agent
    assert place.document("connect", "keyless")["hosts"][0]["ok"]
    place.environment["SSH_AUTH_SOCK"] = "/nowhere"
    assert place.document("connect", "nobody")["hosts"][0]["error"]["code"] == "connection-refused"
    sshd.drop_connections()
    wait_until(lambda: _links(place)["keyless"] != "live", what="the hub to see the break")
    place.environment["SSH_AUTH_SOCK"] = ""
    (result,) = place.document("connect", "keyless")["hosts"]
    assert result["ok"], "who has no agent takes none from the link"


def test_a_hub_that_hangs_in_the_middle_is_told_of(place: HubPlace) -> None:
    config, settings = place.folder / "config", place.folder / "settings.toml"
    config.write_text("Host slow\n  ProxyCommand cat >/dev/null\n")
    settings.write_text("[limits]\nhub_answer = 0.5\n")
    words = [sys.executable, "-m", "remora", "connect", "slow", "--json", "--config", str(settings)]
    environment = {**os.environ, **place.environment}
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as child:
        wait_until(lambda: place.pid is not None and _links(place) == {"slow": "connecting"})
        assert place.pid is not None
        os.kill(place.pid, signal.SIGSTOP)
        said, _ = child.communicate(timeout=LIMIT)
        assert child.returncode == ExitCode.LAUNCH
    assert json.loads(said)["hosts"][0]["error"]["code"] == "hub-mute"
    assert place.run("hub", "stop", "--config", str(settings)).returncode == 0


def test_a_hub_killed_in_the_middle_costs_one_connect(place: HubPlace) -> None:
    place.run("connect", "devbox")
    pid = place.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: place.pid is None)
    assert _links(place) == {}
    (result,) = place.document("connect", "devbox")["hosts"]
    assert (result["ok"], result["link"]["launch_mode"]) == (True, "adopted")


@pytest.mark.parametrize("words", [["connect"], ["disconnect"], ["disconnect", "--all", "x"], ["connect", "a:b"]])
def test_words_that_make_no_sense_are_usage(words: list[str]) -> None:
    with hub_place() as made:
        assert made.run(*words).returncode == ExitCode.USAGE
        assert made.pid is None
