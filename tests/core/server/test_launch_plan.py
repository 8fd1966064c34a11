"""Facts in, plan or refusal out."""

import pytest

from remora.core.errors import Code, RemoraError
from remora.core.server.answers import Answers
from remora.core.server.launch_outcomes import launch_problem, mute_server
from remora.core.server.launch_plan import Adopt, RunAttached, StartDetached, link_unsupported, plan_launch
from remora.core.server.probes import HostFacts, read_facts

SOCKET = "/home/dev/.codex/app-server-control/app-server-control.sock"
USUAL = {
    "os": "Linux",
    "user": "1000",
    "entry.account": "dev",
    "entry.shell": "/bin/zsh",
    "path": "/opt/bin:/usr/bin",
    "home": "/home/dev",
    "runtime": "/run/user/1000/remora",
    "key": "42",
    "folder.state": "ok",
    "folder.path": "/home/dev/work",
    "socket.path": SOCKET,
    "socket.listen": "unix://",
    "socket.bytes": str(len(SOCKET)),
    "socket.kind": "absent",
}
MODERN = {
    "codex.0.path": "/opt/bin/codex",
    "codex.0.source": "path",
    "codex.0.status": "0",
    "codex.0.version": "codex-cli 0.169.0",
}
CAN = (("codex.0.can", "serve"), ("codex.0.can", "unix"), ("codex.0.can", "proxy"))


def facts(*extra: tuple[str, str], codex: bool = True, **changes: str) -> HostFacts:
    """The usual host, with changes; underscores in names stand for dots."""
    values = {
        **USUAL,
        **(MODERN if codex else {}),
        **{name.replace("_", "."): value for name, value in changes.items()},
    }
    return read_facts(Answers((*values.items(), *(CAN if codex else ()), *extra)))


def refused(host: HostFacts) -> RemoraError:
    with pytest.raises(RemoraError) as caught:
        plan_launch(host, handshake_seconds=10)
    return caught.value


def test_nothing_runs_so_a_server_is_started_detached() -> None:
    plan = plan_launch(facts(), handshake_seconds=10)
    log = "/run/user/1000/remora/server-42.log"
    assert plan.steps == (
        StartDetached("/opt/bin/codex", "unix://", SOCKET, log),
        RunAttached("/opt/bin/codex"),
    )
    assert plan.describe() == (
        f"start, detached: /opt/bin/codex app-server --listen unix:// (log: {log})",
        "else run inside the connection, ending with it: /opt/bin/codex app-server --listen stdio://",
        "work in /home/dev/work",
    )
    assert plan.notices == ()


@pytest.mark.parametrize("path", ["--dangerous", "work", "", "/home\0/dev"])
def test_a_folder_that_could_be_taken_for_an_option_is_refused(path: str) -> None:
    assert refused(facts(folder_path=path)).code is Code.FOLDER_MISSING


def test_a_listening_socket_is_adopted_first() -> None:
    plan = plan_launch(
        facts(socket_kind="socket", socket_listening="yes", socket_real="/tmp/codex-daemon-1000/abc"),
        handshake_seconds=10,
    )
    assert plan.steps[0] == Adopt("/tmp/codex-daemon-1000/abc", 10)
    assert plan.describe()[0].startswith("adopt the app server on /tmp/codex-daemon-1000/abc if it answers")


def test_f51_a_socket_that_nobody_serves_is_not_adopted() -> None:
    assert plan_launch(facts(socket_kind="socket", socket_listening="no"), handshake_seconds=10).adopt is None


def test_a_server_is_adopted_even_where_codex_is_not_found() -> None:
    plan = plan_launch(facts(codex=False, socket_kind="socket", socket_listening="yes"), handshake_seconds=10)
    assert [type(step) for step in plan.steps] == [Adopt]


@pytest.mark.parametrize(
    ("changes", "reason", "cure"),
    [
        ({"runtime": ""}, "no folder", "set XDG_RUNTIME_DIR"),
        ({"socket.bytes": "104"}, "104 bytes", "set CODEX_HOME"),
        ({"socket.kind": "file"}, f"{SOCKET}, the path of codex's control socket, is not a socket", "move it away"),
    ],
)
def test_f65_where_a_socket_is_impossible_the_server_is_attached(
    changes: dict[str, str], reason: str, cure: str
) -> None:
    plan = plan_launch(facts(*changes.items()), handshake_seconds=10)
    assert plan.steps == (RunAttached("/opt/bin/codex"),)
    assert reason in plan.notices[0].message
    refusal = link_unsupported(plan)
    assert reason in refusal.message
    assert cure in refusal.next_step
    assert "update codex" not in refusal.next_step


def test_a_codex_without_unix_sockets_is_attached() -> None:
    host = read_facts(Answers((*USUAL.items(), *MODERN.items())))
    assert refused(host).code is Code.CODEX_UNSUPPORTED
    host = read_facts(Answers((*USUAL.items(), *MODERN.items(), ("codex.0.can", "serve"))))
    assert plan_launch(host, handshake_seconds=10).steps == (RunAttached("/opt/bin/codex"),)


@pytest.mark.parametrize("place", [SOCKET, SOCKET.rpartition("/")[0], "/tmp/codex-daemon-1000"])
def test_f84_a_foreign_place_is_refused(place: str) -> None:
    error = refused(facts(("socket.owner", f"1000 {SOCKET}"), ("socket.owner", f"1001 {place}"), socket_kind="socket"))
    assert error.code is Code.SOCKET_FOREIGN
    assert place in error.message


def test_a_missing_codex_says_where_was_looked_and_how() -> None:
    error = refused(facts(codex=False))
    assert error.code is Code.CODEX_MISSING
    assert "/bin/zsh as login and interactive shell: /opt/bin:/usr/bin" in error.seen
    assert error.next_step


def test_a_missing_folder_names_near_ones() -> None:
    siblings = [("folder.sibling", f"/home/dev/{name}") for name in ("work", "Projects", "music")]
    error = refused(facts(*siblings, folder_state="missing", folder_path="/home/dev/project/deep"))
    assert error.code is Code.FOLDER_MISSING
    assert error.seen == "Similar: /home/dev/Projects"
    assert "/home/dev/Projects" in error.next_step


@pytest.mark.parametrize(("state", "word"), [("file", "is a file"), ("closed", "cannot be entered by this account")])
def test_a_folder_that_is_none_is_refused(state: str, word: str) -> None:
    assert word in refused(facts(folder_state=state)).message


def test_a_host_that_ends_processes_at_logout_is_mentioned() -> None:
    plan = plan_launch(facts(("kills-processes", "1")), handshake_seconds=10)
    assert "loginctl enable-linger dev" in plan.notices[0].message


def test_a_home_that_other_machines_see_is_mentioned() -> None:
    plan = plan_launch(facts(("home.shared", "nfs")), handshake_seconds=10)
    (notice,) = plan.notices
    assert notice.code == "home-shared"
    assert "(nfs)" in notice.message
    assert "CODEX_HOME" in notice.message


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ({"outcome": "exited", "status": "1"}, Code.LAUNCH_EXITED),
        ({"outcome": "exited", "status": "0"}, Code.CODEX_UNUSABLE),
        ({"outcome": "timeout"}, Code.LAUNCH_TIMEOUT),
        ({"outcome": "blocked"}, Code.LAUNCH_REFUSED),
        ({"outcome": "busy", "holder": "77 1 x"}, Code.LAUNCH_TIMEOUT),
    ],
)
def test_outcomes_have_codes_and_show_the_log_without_colours(answers: dict[str, str], code: Code) -> None:
    pairs = (*answers.items(), ("log", "/run/log"), ("log.tail", "\x1b[31mERROR\x1b[0m disk full"))
    error = launch_problem(Answers(pairs), codex="/opt/bin/codex", seconds=5)
    assert error.code is code
    assert error.seen == ("It is process 77." if "holder" in answers else "ERROR disk full")


def test_a_mute_server_is_named_by_its_process() -> None:
    answers = Answers((("owner.pid", "4711"), ("owner.command", "codex app-server ")))
    error = mute_server(answers, socket=SOCKET, seconds=10)
    assert error.code is Code.SERVER_MUTE
    assert error.message.startswith("Process 4711 (codex app-server) listens on")
    assert mute_server(Answers(()), socket=SOCKET, seconds=10).message.startswith("A process that")
