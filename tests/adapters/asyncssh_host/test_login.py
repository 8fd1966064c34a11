"""Logging in: which keys are offered, what is asked, and that one dial is one authentication."""

import contextlib
import logging
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.base.loop import run
from tests.support.sshd.agents import ssh_agent
from tests.support.sshd.asyncssh_server import QuestioningServer, questioning_server
from tests.support.sshd.system_sshd import SystemSshd, make_key, public_key

from remora.adapters.asyncssh_host import AsyncsshDialler
from remora.core.errors import AuthenticationProblem, Code, ExitCode, NeedsPerson, RemoraError, Stage, TimeLimit
from remora.core.host.hosts import Route
from remora.core.settings import Limits
from remora.flows.kit.unattended import UnattendedDialogue
from remora.ports import ConnectionFacts, Dialogue, ExitStatus
from remora.testing.scripted_person import ScriptedPerson


async def facts_of(route: Route, dialogue: Dialogue) -> ConnectionFacts:
    async with AsyncsshDialler().dial(route, dialogue) as host:
        return host.facts


def failure_of(route: Route, dialogue: Dialogue) -> RemoraError:
    with pytest.raises(RemoraError) as raised:
        run(facts_of(route, dialogue))
    return raised.value


def command_lines() -> Iterator[str]:
    """The command line of every process on this machine."""
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            yield process.read_text(errors="replace")


@pytest.mark.sshd
def test_f18_one_dial_is_one_connection_and_one_authentication(tmp_path: Path) -> None:
    async def work(server: SystemSshd) -> None:
        async with AsyncsshDialler().dial(server.route(), UnattendedDialogue()) as host:
            for _ in range(5):
                assert await (await host.start(["true"])).wait() == ExitStatus(status=0)

    with SystemSshd(tmp_path) as server:
        run(work(server))
        assert (server.accepted_logins(), server.connections()) == (1, 1)


@pytest.mark.sshd
def test_f19_a_refused_login_is_tried_exactly_once(tmp_path: Path) -> None:
    with SystemSshd(tmp_path) as server:
        server.authorized_keys.write_text("")
        error = failure_of(server.route(), UnattendedDialogue())
        assert isinstance(error, AuthenticationProblem)
        assert error.code is Code.AUTHENTICATION_REFUSED
        assert error.exit_code is ExitCode.AUTHENTICATION
        assert "publickey" in error.message
        assert "keys offered: 1" in error.message
        assert (server.accepted_logins(), server.named_logins(), server.connections()) == (0, 1, 1)


@pytest.mark.sshd
def test_f21_too_many_keys_says_how_many_were_offered_and_names_the_cure(tmp_path: Path) -> None:
    wrong = [make_key(tmp_path / f"wrong{number}") for number in range(3)]
    with SystemSshd(tmp_path, options=["MaxAuthTries 2"]) as server, ssh_agent(*wrong) as agent:
        error = failure_of(server.route(identity_agent=agent), UnattendedDialogue())
        assert error.code is Code.TOO_MANY_KEYS
        assert "2 keys were offered" in error.message
        assert "IdentitiesOnly yes" in error.next_step
        run(facts_of(server.route(identity_agent=agent, identities_only=True), UnattendedDialogue()))


@pytest.mark.sshd
def test_agent_keys_that_the_configuration_lists_come_before_other_agent_keys(tmp_path: Path) -> None:
    wrong = [make_key(tmp_path / f"wrong{number}") for number in range(2)]
    with (
        SystemSshd(tmp_path, options=["MaxAuthTries 2"]) as server,
        ssh_agent(*wrong, server.identity) as agent,
    ):
        # Only the public half is left, as with keys that live in a token: the agent signs.
        server.identity.rename(tmp_path / "moved")
        listed = (f"{server.identity}.pub",)
        facts = run(facts_of(server.route(identity_agent=agent, identity_files=listed), UnattendedDialogue()))
        assert facts.authentication == "publickey"


@pytest.mark.sshd
@pytest.mark.parametrize("forwarded", ["yes", "path", None])
def test_the_agent_is_forwarded_only_when_the_configuration_says_so(tmp_path: Path, forwarded: str | None) -> None:
    with SystemSshd(tmp_path) as server, ssh_agent(server.identity) as agent:
        route = server.route(identity_agent=agent, forward_agent=agent if forwarded == "path" else forwarded)

        async def work() -> bytes:
            async with AsyncsshDialler().dial(route, UnattendedDialogue()) as host:
                return await (await host.start(["sh", "-c", "ssh-add -L 2>/dev/null || echo none"])).read()

        listed = run(work()).decode()
        assert (public_key(server.identity) in listed) is (forwarded is not None)


@pytest.mark.sshd
def test_f23_an_agent_that_waits_for_a_person_for_ever_reaches_the_limit(tmp_path: Path) -> None:
    with SystemSshd(tmp_path) as server, socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "silent"))
        silent.listen()

        async def work() -> None:
            route = server.route(identity_agent=str(tmp_path / "silent"))
            async with AsyncsshDialler(Limits(login=0.3)).dial(route, UnattendedDialogue()):
                pass

        with pytest.raises(TimeLimit) as raised:
            run(work())
        assert raised.value.stage is Stage.AUTHENTICATION
        assert "publickey" in raised.value.message
        assert "agent" in raised.value.next_step


@pytest.mark.sshd
def test_an_agent_that_is_not_there_is_told_and_files_are_used(tmp_path: Path) -> None:
    with SystemSshd(tmp_path) as server:
        facts = run(facts_of(server.route(identity_agent=str(tmp_path / "nothing")), UnattendedDialogue()))
        assert [notice.code for notice in facts.notices] == ["agent-unreachable"]


@pytest.mark.sshd
def test_missing_default_keys_are_silent_and_other_missing_keys_are_told(tmp_path: Path) -> None:
    with SystemSshd(tmp_path) as server:
        files = (str(tmp_path / "id_rsa"), str(tmp_path / "work_key"), str(server.identity))
        facts = run(facts_of(server.route(identity_files=files), UnattendedDialogue()))
        assert [notice.code for notice in facts.notices] == ["identity-file-missing"]
        assert "work_key" in facts.notices[0].message


@pytest.mark.sshd
def test_f23_a_passphrase_is_asked_once_and_only_for_a_key_that_the_host_takes(tmp_path: Path) -> None:
    refused = make_key(tmp_path / "refused", passphrase="first")
    with SystemSshd(tmp_path) as server:
        taken = make_key(tmp_path / "taken", passphrase="sesame")
        server.authorized_keys.write_text(f"{public_key(taken)}\n")
        person = ScriptedPerson(secrets=["wrong", "sesame"])
        run(facts_of(server.route(identity_files=(str(refused), str(taken))), person))
        prompt = f"Passphrase for key {taken}: "
        asked = [question.prompt for question in person.secret_questions]
        assert asked == [prompt, f"That passphrase was wrong. {prompt}"]
        assert server.connections() == 1


@pytest.mark.sshd
def test_f23_an_encrypted_key_and_nobody_to_ask_needs_a_person(tmp_path: Path) -> None:
    with SystemSshd(tmp_path) as server:
        make_key(server.identity, passphrase="sesame")
        server.authorized_keys.write_text(f"{public_key(server.identity)}\n")
        error = failure_of(server.route(), UnattendedDialogue())
        assert isinstance(error, NeedsPerson)
        assert error.exit_code is ExitCode.NEEDS_PERSON
        assert str(server.identity) in error.seen


@pytest.mark.sshd
def test_a_wrong_passphrase_makes_the_key_unusable(tmp_path: Path) -> None:
    with SystemSshd(tmp_path) as server:
        make_key(server.identity, passphrase="sesame")
        server.authorized_keys.write_text(f"{public_key(server.identity)}\n")
        error = failure_of(server.route(), ScriptedPerson(secrets=["no", "not", "never"]))
        assert error.code is Code.KEY_UNUSABLE
        assert "the passphrase was wrong" in error.message


@pytest.mark.sshd
def test_a_key_that_others_may_read_is_not_used(tmp_path: Path) -> None:
    with SystemSshd(tmp_path) as server:
        server.identity.chmod(0o644)
        error = failure_of(server.route(), UnattendedDialogue())
        assert error.code is Code.KEY_UNUSABLE
        assert "0644" in error.message


@pytest.mark.sshd
@pytest.mark.parametrize("where", ["beside the key", "named"])
def test_certificates_are_offered(tmp_path: Path, where: str) -> None:
    authority = make_key(tmp_path / "authority")
    with SystemSshd(tmp_path, options=[f"TrustedUserCAKeys {authority}.pub"]) as server:
        server.authorized_keys.write_text("")
        sign = ["ssh-keygen", "-q", "-s", str(authority), "-I", "test", "-n", server.user, f"{server.identity}.pub"]
        subprocess.run(sign, check=True)
        files: tuple[str, ...] = ()
        if where == "named":
            named = tmp_path / "elsewhere.pub"
            shutil.move(f"{server.identity}-cert.pub", named)
            files = (str(named),)
        run(facts_of(server.route(certificate_files=files), UnattendedDialogue()))
        assert server.accepted_logins() == 1


def test_f17_three_questions_are_asked_once_and_in_order(tmp_path: Path) -> None:
    server = QuestioningServer(
        rounds=[[("Password: ", False)], [("Choose 1) push 2) code: ", True), ("Code: ", False)]],
        answers=[["secret"], ["2", "123456"]],
    )
    person = ScriptedPerson(secrets=["secret", "2", "123456"])

    async def work() -> ConnectionFacts:
        async with questioning_server(tmp_path, server):
            return await facts_of(server.route(), person)

    assert run(work()).authentication == "keyboard-interactive"
    mark = "(anybody@127.0.0.1) "
    asked = [(question.prompt.splitlines()[-1], question.echo) for question in person.secret_questions]
    prompts = [("Password: ", False), ("Choose 1) push 2) code: ", True), ("Code: ", False)]
    assert asked == [(mark + prompt, echo) for prompt, echo in prompts]
    assert f"{mark}Answer all questions." in person.secret_questions[0].prompt
    assert server.seen_answers == [["secret"], ["2", "123456"]]
    assert (server.connections, server.logins) == (1, 1)


def test_a_host_cannot_ask_for_a_passphrase_in_our_words(tmp_path: Path) -> None:
    ours = "Passphrase for key ~/.ssh/id_ed25519: "
    rounds = [[(f"Hello\n\n{ours}", False), (f"\x85{ours}", False), (f"x\r{ours}", False), ("", False)]]
    server = QuestioningServer(rounds=rounds, answers=[["a", "b", "c", "d"]])
    person = ScriptedPerson(secrets=["a", "b", "c", "d"])

    async def work() -> None:
        async with questioning_server(tmp_path, server):
            await facts_of(server.route(), person)

    run(work())
    mark = "(anybody@127.0.0.1) "
    for question in person.secret_questions:
        assert all(line.startswith(mark) for line in question.prompt.splitlines())


def test_a_wrong_answer_is_not_asked_again(tmp_path: Path) -> None:
    server = QuestioningServer(rounds=[[("Code: ", False)]], answers=[["right"]], banner="Locked after three tries")

    async def work() -> None:
        async with questioning_server(tmp_path, server):
            await facts_of(server.route(), ScriptedPerson(secrets=["wrong"]))

    with pytest.raises(AuthenticationProblem) as raised:
        run(work())
    assert "Locked after three tries" in raised.value.seen
    assert server.seen_answers == [["wrong"]]
    assert server.connections == 1


@pytest.mark.parametrize("batch_mode", [False, True])
def test_a_password_is_asked_unless_batch_mode_forbids(tmp_path: Path, batch_mode: bool) -> None:
    server = QuestioningServer(password="open sesame")
    person = ScriptedPerson(secrets=["open sesame"])

    async def work() -> None:
        async with questioning_server(tmp_path, server):
            await facts_of(server.route(batch_mode=batch_mode), person)

    if batch_mode:
        with pytest.raises(AuthenticationProblem):
            run(work())
        assert person.secret_questions == []
    else:
        run(work())
        assert server.logins == 1


def test_declining_one_question_ends_the_login_without_asking_another(tmp_path: Path) -> None:
    server = QuestioningServer(rounds=[[("Code: ", False)]], answers=[["right"]], password="x")
    person = ScriptedPerson(secrets=[None])

    async def work() -> None:
        async with questioning_server(tmp_path, server):
            await facts_of(server.route(), person)

    with pytest.raises(AuthenticationProblem):
        run(work())
    assert len(person.secret_questions) == 1


def test_a_question_that_nobody_may_answer_goes_through(tmp_path: Path) -> None:
    server = QuestioningServer(rounds=[[("Code: ", False)]], answers=[["right"]])

    async def work() -> None:
        async with questioning_server(tmp_path, server):
            await facts_of(server.route(), UnattendedDialogue())

    with pytest.raises(NeedsPerson) as raised:
        run(work())
    assert "Code:" in raised.value.seen
    assert server.seen_answers == []


def test_f87_secrets_are_in_no_log_and_no_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    canary = "canary-4711-secret"
    server = QuestioningServer(rounds=[[("Code: ", False)]], answers=[["right"]], password="x")

    async def work() -> None:
        async with questioning_server(tmp_path, server):
            await facts_of(server.route(), ScriptedPerson(secrets=[canary, canary]))

    with caplog.at_level(logging.DEBUG), pytest.raises(AuthenticationProblem) as raised:
        run(work())
    assert server.seen_answers == [[canary]]
    assert canary not in caplog.text
    error = raised.value
    assert canary not in f"{error.message} {error.seen} {error.next_step} {error!r}"


@pytest.mark.sshd
def test_f87_a_passphrase_is_in_no_process_list_log_or_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    canary = "canary-4712-secret"
    seen_in_processes: list[str] = []

    with SystemSshd(tmp_path) as server, caplog.at_level(logging.DEBUG):
        make_key(server.identity, passphrase=canary)
        server.authorized_keys.write_text(f"{public_key(server.identity)}\n")

        async def work() -> None:
            async with AsyncsshDialler().dial(server.route(), ScriptedPerson(secrets=[canary])) as host:
                seen_in_processes.extend(line for line in command_lines() if canary in line)
                assert await (await host.start(["true"])).wait() == ExitStatus(status=0)

        run(work())
        assert canary not in caplog.text
        assert canary not in server.log_text()
    assert seen_in_processes == []
