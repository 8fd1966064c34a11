"""A3: a name of the SSH config that means another machine now never works in the old place, and says what it does."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import mkdtemp

import pytest
from tests.support.base.until import wait_until
from tests.support.codex.fake_codex import install
from tests.support.link.chain import end_servers, furnish_host, processes_on
from tests.support.link.hubs import HubPlace, hub_place
from tests.support.sshd.system_sshd import SystemSshd

pytestmark = pytest.mark.sshd


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose name is short enough for sockets."""
    path = Path(mkdtemp(prefix="m"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def machines(folder: Path) -> Iterator[tuple[SystemSshd, SystemSshd]]:
    """Two machines: other keys, other homes."""
    with ExitStack() as stack:
        both = [stack.enter_context(SystemSshd(folder)) for _ in range(2)]
        program = install(folder / "programs/codex")
        for sshd in both:
            furnish_host(sshd, program)
            stack.callback(end_servers, sshd)
        yield both[0], both[1]


@pytest.fixture
def config(folder: Path, machines: tuple[SystemSshd, SystemSshd]) -> Path:
    """The SSH config; `devbox` is the first machine."""
    file = folder / "config"
    file.write_text(machines[0].ssh_config())
    return file


@pytest.fixture
def place(config: Path) -> Iterator[HubPlace]:
    with hub_place(REMORA_SSH_CONFIG=str(config)) as here:
        yield here


def test_a3_run_and_connect_go_where_the_name_leads_now(
    place: HubPlace, config: Path, machines: tuple[SystemSshd, SystemSshd]
) -> None:
    old, new = machines
    (first,) = place.document("connect", "devbox")["hosts"]
    assert first["link"]["leads_to"] == f"{old.user}@127.0.0.1:{old.port}"
    logins = old.accepted_logins()
    config.write_text(new.ssh_config())

    ran = place.run("run", "devbox", "hello", "--no-input")
    assert f"devbox now means {new.user}@127.0.0.1:{new.port}, but its link leads to" in ran.stderr.decode()
    assert processes_on(new).app_servers
    (left,) = place.document("status")["links"]
    assert (left["leads_to"], left["liveness"]) == (first["link"]["leads_to"], "live")

    (second,) = place.document("connect", "devbox")["hosts"]
    assert second["ok"]
    assert second["changed"]
    assert second["link"]["leads_to"] == f"{new.user}@127.0.0.1:{new.port}"
    assert [link["leads_to"] for link in place.document("status")["links"]] == [second["link"]["leads_to"]]
    assert old.accepted_logins() == logins


def test_a3_a_link_does_not_dial_what_its_name_means_now_by_itself(
    place: HubPlace, config: Path, machines: tuple[SystemSshd, SystemSshd]
) -> None:
    old, new = machines
    settings = place.folder / "settings.toml"
    settings.write_text('[hosts.devbox]\nreconnect = "always"\n')
    place.document("connect", "devbox", "--config", str(settings))
    config.write_text(new.ssh_config())
    old.drop_connections()
    wait_until(lambda: [link["liveness"] for link in place.document("status")["links"]] == ["needs-human"])
    (link,) = place.document("status")["links"]
    assert link["error"]["code"] == "alias-changed"
    assert str(new.port) in link["error"]["message"]
    assert new.connections() == 0
    (host,) = place.document("connect", "devbox")["hosts"]
    assert host["ok"]
    assert host["link"]["leads_to"].endswith(str(new.port))


def test_a3_a_machine_that_is_reached_in_another_way_keeps_its_link(
    place: HubPlace, config: Path, machines: tuple[SystemSshd, SystemSshd]
) -> None:
    old, _ = machines
    place.document("connect", "devbox")
    config.write_text(old.ssh_config(extra=["HostName localhost", f"HostKeyAlias [127.0.0.1]:{old.port}"]))
    old.drop_connections()
    (host,) = place.document("connect", "devbox")["hosts"]
    assert host["ok"], host
    (link,) = place.document("status")["links"]
    assert (link["liveness"], link["leads_to"]) == ("live", f"{old.user}@localhost:{old.port}")
    assert link["breaks"] == 1
    assert len(processes_on(old).relays) == 1


@pytest.mark.parametrize("was_lost", [False, True])
def test_a3_a_run_uses_the_link_to_a_machine_that_is_reached_in_another_way(
    place: HubPlace, config: Path, machines: tuple[SystemSshd, SystemSshd], was_lost: bool
) -> None:
    old, _ = machines
    named = [f"HostKeyAlias [127.0.0.1]:{old.port}"]
    config.write_text(old.ssh_config(extra=named))
    place.document("connect", "devbox")
    config.write_text(old.ssh_config(extra=["HostName localhost", *named]))
    if was_lost:
        old.drop_connections()
    ran = place.run("run", "devbox", "hello", "--no-input")
    assert b"devbox means" not in ran.stderr
    (link,) = place.document("status")["links"]
    assert (link["liveness"], link["leads_to"]) == ("live", f"{old.user}@localhost:{old.port}")
    logins = old.accepted_logins()
    place.run("run", "devbox", "hello", "--no-input")
    assert old.accepted_logins() == logins


def test_a3_what_changes_nothing_keeps_the_link(
    place: HubPlace, config: Path, machines: tuple[SystemSshd, SystemSshd]
) -> None:
    old, _ = machines
    place.document("connect", "devbox")
    config.write_text("# a comment\n" + old.ssh_config(extra=["LogLevel ERROR", "ServerAliveInterval 20"]))
    (host,) = place.document("connect", "devbox")["hosts"]
    assert not host["changed"]


def test_a3_what_the_name_means_here_counts_and_not_what_it_means_to_the_hub(
    place: HubPlace, config: Path, machines: tuple[SystemSshd, SystemSshd]
) -> None:
    old, new = machines
    there = new.ssh_config().replace("Host devbox", 'Match originalhost devbox exec "test x$WHERE = xnew"')
    config.write_text(there + old.ssh_config())
    (first,) = place.document("connect", "devbox")["hosts"]
    assert first["ok"]
    place.environment["WHERE"] = "new"
    (second,) = place.document("connect", "devbox")["hosts"]
    assert second["error"]["code"] == "alias-changed"
    assert "remora hub stop" in second["error"]["next"]
    assert new.connections() == 0
    ran = place.run("run", "devbox", "hello", "--no-input")
    assert processes_on(new).app_servers, ran.stderr
    assert os.environ.get("WHERE") is None


def test_a3_each_forward_says_where_it_leads_and_is_stopped_by_itself(
    place: HubPlace, config: Path, machines: tuple[SystemSshd, SystemSshd]
) -> None:
    new = machines[1]
    places = [f"{sshd.user}@127.0.0.1:{sshd.port}" for sshd in machines]
    (first,) = place.document("forward", "devbox", "5173", "--local-port", "0")["forwards"]
    (out,) = place.document("forward", "--egress", "devbox", "a.example")["egresses"]
    listed = place.document("forward", "list")
    assert [(each["leads_to"], each["notices"]) for each in (*listed["forwards"], *listed["egresses"])] == [
        (places[0], []),
        (places[0], []),
    ]

    config.write_text(new.ssh_config())
    before = place.document("forward", "list")  # nobody has used the name since
    assert [each["notices"][0]["code"] for each in (*before["forwards"], *before["egresses"])] == ["alias-changed"] * 2
    (second,) = place.document("forward", "devbox", "5173", "--local-port", "0")["forwards"]
    assert second["local_port"] != first["local_port"]
    both = {each["leads_to"]: each for each in place.document("forward", "list")["forwards"]}
    assert both[places[1]]["notices"] == []
    (notice,) = both[places[0]]["notices"]
    assert notice["code"] == "alias-changed"
    assert f"devbox now means {places[1]}, but its link leads to {places[0]}." in notice["message"]
    shown = place.run("forward", "list").stdout.decode()
    assert f"localhost:{first['local_port']}  ->  devbox port 5173\n  ! devbox now means {places[1]}" in shown

    stopped = place.document("forward", "stop", "devbox", "5173")["forwards"]
    assert [(each["local_port"], each["leads_to"]) for each in stopped] == [(second["local_port"], places[1])]
    assert [each["local_port"] for each in place.document("forward", "list")["forwards"]] == [first["local_port"]]
    told = place.run("forward", "stop", "devbox", f"{first['local_port']}:5173").stderr.decode()
    assert f"devbox: port 5173 of {places[0]} is no longer forwarded." in told
    assert place.run("forward", "stop", "devbox", str(out["port"])).returncode == 0
    wait_until(lambda: [link["leads_to"] for link in place.document("status")["links"]] == [places[1]])


def test_a3_a_name_that_is_gone_from_the_config_is_no_host_any_more(place: HubPlace, config: Path) -> None:
    place.document("connect", "devbox")
    config.write_text("Host other\n")
    assert place.document("run", "devbox", "hello", "--no-input")["error"]["code"] == "alias-unknown"
    (host,) = place.document("disconnect", "devbox")["hosts"]
    assert host["changed"]
