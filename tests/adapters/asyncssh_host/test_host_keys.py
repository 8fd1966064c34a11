"""Host keys: nothing unknown is accepted silently, nothing changed is accepted at all."""

import asyncio
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.support.base.loop import run
from tests.support.sshd.system_sshd import SystemSshd, make_key, public_key

from remora.adapters.asyncssh_host import AsyncsshDialler
from remora.core.errors import Code, ConfigProblem, ExitCode, HostKeyProblem, RemoraError
from remora.core.host.hosts import Route, StrictHostKeyChecking
from remora.flows.kit.unattended import UnattendedDialogue
from remora.ports import ConnectionFacts, Dialogue, HostKeyAnswer
from remora.testing.scripted_person import ScriptedPerson

pytestmark = pytest.mark.sshd


async def facts_of(route: Route, dialogue: Dialogue) -> ConnectionFacts:
    async with AsyncsshDialler().dial(route, dialogue) as host:
        return host.facts


def refusal(route: Route, dialogue: Dialogue) -> HostKeyProblem:
    with pytest.raises(HostKeyProblem) as raised:
        run(facts_of(route, dialogue))
    assert raised.value.exit_code is ExitCode.HOST_KEY
    return raised.value


def fingerprint_of(key: Path) -> str:
    listing = subprocess.run(["ssh-keygen", "-lf", f"{key}.pub"], check=True, capture_output=True, text=True)
    return listing.stdout.split()[1]


def test_f23_an_unknown_key_and_nobody_to_ask_is_refused_with_its_fingerprint(tmp_path: Path) -> None:
    with SystemSshd(tmp_path) as server:
        server.known_hosts.unlink()
        error = refusal(server.route(), UnattendedDialogue())
        assert error.code is Code.HOST_KEY_UNKNOWN
        assert fingerprint_of(server.host_keys[0]) in error.message
        assert "ssh -- devbox" in error.next_step
        assert server.named_logins() == 0
        assert not server.known_hosts.exists()


def test_f23_a_person_who_records_is_asked_once_and_never_again(tmp_path: Path) -> None:
    with SystemSshd(tmp_path) as server:
        server.known_hosts.unlink()
        person = ScriptedPerson(host_keys=[HostKeyAnswer.RECORD])
        facts = run(facts_of(server.route(), person))
        question = person.host_key_questions[0]
        assert question.fingerprint == facts.host_key_fingerprint == fingerprint_of(server.host_keys[0])
        assert (question.hostname, question.port, question.key_type) == ("127.0.0.1", server.port, "ssh-ed25519")
        assert question.known_hosts_file == str(server.known_hosts)
        assert server.known_hosts.stat().st_mode & 0o777 == 0o600
        assert server.accepted_logins() == 1
        run(facts_of(server.route(), UnattendedDialogue()))


def test_a_connection_made_after_a_question_is_as_good_as_any(tmp_path: Path) -> None:
    with SystemSshd(tmp_path) as server:
        server.known_hosts.unlink()

        async def work() -> None:
            async with AsyncsshDialler().dial(server.route(), ScriptedPerson(host_keys=[HostKeyAnswer.ONCE])) as host:
                lost = asyncio.ensure_future(host.wait_lost())
                assert await (await host.start(["echo", "hello"])).read() == b"hello\n"
                assert not lost.done()
            await lost

        run(work())


def test_recording_keeps_what_the_file_held_and_mends_a_missing_newline(tmp_path: Path) -> None:
    with SystemSshd(tmp_path) as server:
        server.known_hosts.write_text("# mine")
        run(facts_of(server.route(), ScriptedPerson(host_keys=[HostKeyAnswer.RECORD])))
        lines = server.known_hosts.read_text().splitlines()
        assert lines[0] == "# mine"
        assert lines[1].split()[0] == f"[127.0.0.1]:{server.port}"


def test_recorded_names_are_hashed_when_asked_and_openssh_reads_them(tmp_path: Path) -> None:
    with SystemSshd(tmp_path) as server:
        server.known_hosts.unlink()
        route = server.route(hash_known_hosts=True)
        run(facts_of(route, ScriptedPerson(host_keys=[HostKeyAnswer.RECORD])))
        assert server.known_hosts.read_text().startswith("|1|")
        find = ["ssh-keygen", "-F", f"[127.0.0.1]:{server.port}", "-f", str(server.known_hosts)]
        subprocess.run(find, check=True, stdout=subprocess.DEVNULL)
        run(facts_of(route, UnattendedDialogue()))


def test_trusting_once_changes_no_file(tmp_path: Path) -> None:
    with SystemSshd(tmp_path) as server:
        server.known_hosts.unlink()
        run(facts_of(server.route(), ScriptedPerson(host_keys=[HostKeyAnswer.ONCE])))
        assert not server.known_hosts.exists()


def test_a_person_who_refuses_ends_it(tmp_path: Path) -> None:
    with SystemSshd(tmp_path) as server:
        server.known_hosts.unlink()
        error = refusal(server.route(), ScriptedPerson(host_keys=[HostKeyAnswer.REFUSE]))
        assert error.code is Code.HOST_KEY_UNKNOWN
        assert server.accepted_logins() == 0


@pytest.mark.parametrize("policy", [StrictHostKeyChecking.ACCEPT_NEW, StrictHostKeyChecking.NO])
def test_f23_policies_that_accept_unknown_keys_record_and_say_so(tmp_path: Path, policy: StrictHostKeyChecking) -> None:
    with SystemSshd(tmp_path) as server:
        server.known_hosts.unlink()
        facts = run(facts_of(server.route(strict_host_key_checking=policy), UnattendedDialogue()))
        assert [notice.code for notice in facts.notices] == ["host-key-accepted"]
        assert facts.host_key_fingerprint in facts.notices[0].message
        assert run(facts_of(server.route(), UnattendedDialogue())).notices == ()


@pytest.mark.parametrize("changes", [{"strict_host_key_checking": StrictHostKeyChecking.YES}, {"batch_mode": True}])
def test_f23_strict_checking_and_batch_mode_ask_nobody(tmp_path: Path, changes: dict[str, Any]) -> None:
    with SystemSshd(tmp_path) as server:
        server.known_hosts.unlink()
        person = ScriptedPerson()
        assert refusal(server.route(**changes), person).code is Code.HOST_KEY_UNKNOWN
        assert person.host_key_questions == []


@pytest.mark.parametrize("policy", list(StrictHostKeyChecking))
@pytest.mark.parametrize("hashed", [False, True])
def test_f22_a_changed_key_stops_under_every_policy(
    tmp_path: Path, policy: StrictHostKeyChecking, hashed: bool
) -> None:
    with SystemSshd(tmp_path) as server:
        old = server.host_keys[0]
        server.known_hosts.write_text(f"# a comment\n{server.known_hosts.read_text()}")
        if hashed:
            hash_names = ["ssh-keygen", "-q", "-H", "-f", str(server.known_hosts)]
            subprocess.run(hash_names, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        before = server.known_hosts.read_bytes()
        new = make_key(tmp_path / "new_host_key")
        server.restart(host_keys=[new])
        error = refusal(server.route(strict_host_key_checking=policy), ScriptedPerson())
        assert error.code is Code.HOST_KEY_CHANGED
        assert fingerprint_of(new) in error.message
        assert fingerprint_of(old) in error.message
        assert f"{server.known_hosts} line 2" in error.message
        assert f"ssh-keygen -R '[127.0.0.1]:{server.port}' -f {server.known_hosts}" in error.next_step
        assert server.known_hosts.read_bytes() == before
        assert server.named_logins() == 0


def test_f22_the_named_command_cures_it(tmp_path: Path) -> None:
    with SystemSshd(tmp_path) as server:
        server.restart(host_keys=[make_key(tmp_path / "new_host_key")])
        error = refusal(server.route(), UnattendedDialogue())
        command = error.next_step.partition("with: ")[2]
        subprocess.run(["sh", "-c", command], check=True, capture_output=True)
        run(facts_of(server.route(), ScriptedPerson(host_keys=[HostKeyAnswer.ONCE])))


def test_f22_a_key_of_another_type_does_not_get_around_the_one_on_record(tmp_path: Path) -> None:
    with SystemSshd(tmp_path) as server:
        server.restart(host_keys=[make_key(tmp_path / "other", kind="ecdsa")])
        assert refusal(server.route(), ScriptedPerson()).code is Code.HOST_KEY_CHANGED


def test_f22_keys_are_kept_by_name_and_a_line_for_the_address_does_not_count(tmp_path: Path) -> None:
    with SystemSshd(tmp_path) as server:
        other = make_key(tmp_path / "other")
        by_name = f"[localhost]:{server.port} {public_key(server.host_keys[0])}\n"
        server.known_hosts.write_text(f"{by_name}[127.0.0.1]:{server.port} {public_key(other)}\n")
        run(facts_of(server.route(hostname="localhost"), UnattendedDialogue()))
        assert refusal(server.route(), UnattendedDialogue()).code is Code.HOST_KEY_CHANGED


@pytest.mark.parametrize("where", ["known_hosts", "revoked_host_keys"])
def test_f22_a_revoked_key_stops(tmp_path: Path, where: str) -> None:
    with SystemSshd(tmp_path) as server:
        key = public_key(server.host_keys[0])
        revoked = tmp_path / "revoked"
        revoked.write_text(f"{key}\n")
        if where == "known_hosts":
            server.known_hosts.write_text(f"{server.known_hosts.read_text()}@revoked * {key}\n")
            error = refusal(server.route(strict_host_key_checking=StrictHostKeyChecking.NO), ScriptedPerson())
        else:
            error = refusal(server.route(revoked_host_keys=str(revoked)), ScriptedPerson())
        assert error.code is Code.HOST_KEY_REVOKED
        assert fingerprint_of(server.host_keys[0]) in error.message
        assert server.named_logins() == 0


@pytest.mark.parametrize("content", [None, b"SSHKRL\n\0\0\0\0\1"])
def test_a_revocation_file_that_cannot_be_read_trusts_nothing(tmp_path: Path, content: bytes | None) -> None:
    revoked = tmp_path / "revoked"
    if content is not None:
        revoked.write_bytes(content)
    with SystemSshd(tmp_path) as server, pytest.raises(ConfigProblem):
        run(facts_of(server.route(revoked_host_keys=str(revoked)), UnattendedDialogue()))


def test_a_host_with_several_keys_is_asked_for_the_one_on_record(tmp_path: Path) -> None:
    with SystemSshd(tmp_path, host_key_kinds=["ed25519", "ecdsa", "rsa"]) as server:
        for key in server.host_keys:
            server.known_hosts.write_text(f"[127.0.0.1]:{server.port} {public_key(key)}\n")
            assert run(facts_of(server.route(), UnattendedDialogue())).host_key_fingerprint == fingerprint_of(key)


def test_host_key_alias_is_the_name_on_record(tmp_path: Path) -> None:
    with SystemSshd(tmp_path) as server:
        server.known_hosts.write_text(f"cluster {public_key(server.host_keys[0])}\n")
        run(facts_of(server.route(host_key_alias="cluster"), UnattendedDialogue()))


def test_several_files_count_and_missing_ones_do_no_harm(tmp_path: Path) -> None:
    with SystemSshd(tmp_path) as server:
        files = (str(tmp_path / "missing"), "/dev/null")
        route = server.route(user_known_hosts=files, global_known_hosts=(str(server.known_hosts),))
        run(facts_of(route, UnattendedDialogue()))


@pytest.mark.parametrize("names_host", [True, False])
def test_a_certificate_of_a_known_authority_is_enough_if_it_names_the_host(tmp_path: Path, names_host: bool) -> None:
    authority = make_key(tmp_path / "authority")
    host_key = make_key(tmp_path / "certified")
    principal = "127.0.0.1" if names_host else "another.example"
    sign = ["ssh-keygen", "-q", "-s", str(authority), "-I", "host", "-h", "-n", principal, f"{host_key}.pub"]
    subprocess.run(sign, check=True)
    with SystemSshd(tmp_path, options=[f"HostCertificate {host_key}-cert.pub"]) as server:
        server.restart(host_keys=[host_key])
        server.known_hosts.write_text(f"@cert-authority * {public_key(authority)}\n")
        if names_host:
            assert run(facts_of(server.route(), UnattendedDialogue())).host_key_fingerprint == fingerprint_of(host_key)
        else:
            assert refusal(server.route(), ScriptedPerson()).code is Code.HOST_KEY_UNKNOWN
            assert server.named_logins() == 0


def test_a_certificate_of_a_foreign_authority_leaves_the_plain_key_to_judge(tmp_path: Path) -> None:
    authority, foreign = make_key(tmp_path / "authority"), make_key(tmp_path / "foreign")
    host_key = make_key(tmp_path / "certified")
    sign = ["ssh-keygen", "-q", "-s", str(foreign), "-I", "host", "-h", "-n", "127.0.0.1", f"{host_key}.pub"]
    subprocess.run(sign, check=True)
    with SystemSshd(tmp_path, options=[f"HostCertificate {host_key}-cert.pub"]) as server:
        server.restart(host_keys=[host_key])
        by_authority = f"@cert-authority * {public_key(authority)}\n"
        server.known_hosts.write_text(by_authority)
        assert refusal(server.route(), UnattendedDialogue()).code is Code.HOST_KEY_UNKNOWN
        server.known_hosts.write_text(f"{by_authority}[127.0.0.1]:{server.port} {public_key(host_key)}\n")
        run(facts_of(server.route(), UnattendedDialogue()))


def test_f23_two_unknown_jump_hops_are_asked_about_one_after_the_other(tmp_path: Path) -> None:
    with SystemSshd(tmp_path) as first, SystemSshd(tmp_path) as second, SystemSshd(tmp_path) as target:
        first.known_hosts.unlink()
        second.known_hosts.unlink()
        route = Route(target.host("target"), (first.host("first"), second.host("second")))
        person = ScriptedPerson(host_keys=[HostKeyAnswer.RECORD, HostKeyAnswer.ONCE])
        run(facts_of(route, person))
        assert [question.alias for question in person.host_key_questions] == ["first", "second"]
        assert [server.accepted_logins() for server in (first, second, target)] == [1, 1, 1]


def test_a_changed_jump_host_key_names_the_jump(tmp_path: Path) -> None:
    with SystemSshd(tmp_path) as jump, SystemSshd(tmp_path) as target:
        jump.restart(host_keys=[make_key(tmp_path / "new_host_key")])
        error = refusal(Route(target.host("target"), (jump.host("gate"),)), UnattendedDialogue())
        assert error.code is Code.HOST_KEY_CHANGED
        assert "jump host gate (1 of 1)" in error.message
        assert target.connections() == 0


def test_the_key_that_was_accepted_is_the_only_one_taken(tmp_path: Path) -> None:
    other = make_key(tmp_path / "other")
    with SystemSshd(tmp_path) as server:
        server.known_hosts.unlink()

        class PersonDuringWhoseThoughtsTheHostChanges(ScriptedPerson):
            async def accept_host_key(self, question: object) -> HostKeyAnswer:
                server.restart(host_keys=[other])
                return HostKeyAnswer.RECORD

        error: RemoraError = refusal(server.route(), PersonDuringWhoseThoughtsTheHostChanges())
        assert fingerprint_of(other) in error.message
        assert server.named_logins() == 0
