"""What restricts a connection is honoured: by remora's own SSH, or by the system's, which then connects."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.support.sshd.system_sshd import SystemSshd, make_key, public_key
from tests.support.sshd.transports import both_transports

from remora.core.errors import AuthenticationProblem, Code, HostKeyProblem, RemoraError
from remora.core.host.ssh_answer import read_options
from remora.core.host.ssh_options import OPTIONS
from remora.core.settings import Transport
from remora.ports import ConnectionFacts

pytestmark = pytest.mark.sshd

_RSA_ONLY = ("rsa",)


def log_in(server: SystemSshd, tmp_path: Path, *extra: str, times: int = 1) -> tuple[ConnectionFacts, list[Transport]]:
    """The last of some logins with `extra` lines of configuration, and who made them."""
    config = tmp_path / "config"
    config.write_text(server.ssh_config(extra=extra))
    with both_transports(config) as laptop:
        facts = [laptop.log_in() for _ in range(times)]
        return facts[-1], laptop.dialled


def refusal(server: SystemSshd, tmp_path: Path, *extra: str) -> RemoraError:
    with pytest.raises(RemoraError) as raised:
        log_in(server, tmp_path, *extra)
    return raised.value


def script(path: Path, body: str) -> Path:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def ssh_takes(server: SystemSshd, tmp_path: Path, *extra: str) -> bool:
    """Whether the real ``ssh`` logs in with the same lines."""
    config = tmp_path / "config"
    config.write_text(server.ssh_config(extra=extra))
    command = ["ssh", "-F", str(config), "-o", "BatchMode=yes", "devbox", "true"]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0


def test_a_known_hosts_command_that_fails_refuses_a_key_that_a_file_knows(tmp_path: Path) -> None:
    with SystemSshd(tmp_path) as server:
        error = refusal(server, tmp_path, "KnownHostsCommand /bin/false")
        assert server.accepted_logins() == 0
        assert not ssh_takes(server, tmp_path, "KnownHostsCommand /bin/false")
        assert isinstance(error, HostKeyProblem)
        assert "knownhostscommand" in error.seen


def test_a_known_hosts_command_knows_a_key_that_no_file_has(tmp_path: Path) -> None:
    with SystemSshd(tmp_path) as server:
        known = script(tmp_path / "known", f"cat {server.known_hosts}.moved")
        server.known_hosts.rename(f"{server.known_hosts}.moved")
        facts, dialled = log_in(server, tmp_path, f"KnownHostsCommand {known} %H")
        assert dialled[-1] is Transport.OPENSSH
        assert [notice.code for notice in facts.notices] == ["openssh-used"]
        assert "knownhostscommand" in facts.notices[0].message


def test_an_rsa_host_key_shorter_than_required_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    with SystemSshd(tmp_path, host_key_kinds=_RSA_ONLY) as server:
        error = refusal(server, tmp_path, "RequiredRSASize 4096")
        assert error.code is Code.HOST_KEY_WEAK
        assert "3072 bits" in error.message
        assert "4096" in error.message
        assert server.named_logins() == 0
        facts, dialled = log_in(server, tmp_path, "RequiredRSASize 3072")
        assert dialled == [Transport.BUILT_IN]
        assert facts.notices == ()


def test_a_short_rsa_key_in_the_certificate_of_a_host_is_refused(tmp_path: Path) -> None:
    authority = make_key(tmp_path / "authority")
    with SystemSshd(tmp_path, host_key_kinds=_RSA_ONLY) as server:
        key = server.host_keys[0]
        sign = ["ssh-keygen", "-q", "-s", str(authority), "-I", "host", "-h", "-n", "127.0.0.1", f"{key}.pub"]
        subprocess.run(sign, check=True)
        server._options = (f"HostCertificate {key}-cert.pub",)
        server.restart()
        server.known_hosts.write_text(f"@cert-authority * {public_key(authority)}\n")
        log_in(server, tmp_path)
        assert server.accepted_logins() == 1
        error = refusal(server, tmp_path, "RequiredRSASize 4096")
        assert error.code is Code.HOST_KEY_WEAK
        assert server.accepted_logins() == 1


def test_an_rsa_key_of_the_user_shorter_than_required_is_not_offered(tmp_path: Path) -> None:
    with SystemSshd(tmp_path) as server:
        make_key(server.identity, kind="rsa")
        server.authorized_keys.write_text(public_key(server.identity))
        log_in(server, tmp_path)
        error = refusal(server, tmp_path, "RequiredRSASize 4096")
        assert error.code is Code.KEY_UNUSABLE
        assert "RequiredRSASize" in error.message
        assert not ssh_takes(server, tmp_path, "RequiredRSASize 4096")


def test_keys_of_a_kind_that_is_not_accepted_are_not_offered(tmp_path: Path) -> None:
    with SystemSshd(tmp_path) as server:
        error = refusal(server, tmp_path, "PubkeyAcceptedAlgorithms ecdsa-sha2-nistp256")
        assert isinstance(error, AuthenticationProblem)
        assert "PubkeyAcceptedAlgorithms" in error.message
        assert not ssh_takes(server, tmp_path, "PubkeyAcceptedAlgorithms ecdsa-sha2-nistp256")


def test_a_server_with_key_exchanges_of_tomorrow_is_reached_through_ssh_without_trying_twice(tmp_path: Path) -> None:
    with SystemSshd(tmp_path, options=["KexAlgorithms sntrup761x25519-sha512@openssh.com"]) as server:
        facts, dialled = log_in(server, tmp_path, times=2)
        assert dialled == [Transport.BUILT_IN, Transport.OPENSSH, Transport.OPENSSH]
        assert server.accepted_logins() == 2
        (notice,) = facts.notices
        assert "key exchange algorithm" in notice.message
        assert "system's ssh" in notice.message


@pytest.mark.parametrize(
    "line",
    [
        "KexAlgorithms sntrup761x25519-sha512@openssh.com",
        "HostKeyAlgorithms ssh-ed25519-cert-v01@openssh.com",
        "PreferredAuthentications gssapi-with-mic",
    ],
)
def test_a_list_of_which_remora_has_nothing_is_not_replaced_by_another(tmp_path: Path, line: str) -> None:
    config = tmp_path / "config"
    with SystemSshd(tmp_path) as server:
        config.write_text(server.ssh_config(extra=[line]))
        with both_transports(config) as laptop:
            if ssh_takes(server, tmp_path, line):
                assert [notice.code for notice in laptop.log_in().notices] == ["openssh-used"]
            else:
                with pytest.raises(RemoraError) as raised:
                    laptop.log_in()
                assert "uses the system's ssh" in raised.value.seen
            assert laptop.dialled[-1] is Transport.OPENSSH


def test_a_host_without_a_host_key_of_the_allowed_types_is_named_so(tmp_path: Path) -> None:
    with SystemSshd(tmp_path) as server:
        error = refusal(server, tmp_path, "HostKeyAlgorithms ecdsa-sha2-nistp256")
        assert error.code is Code.KEY_EXCHANGE_FAILED
        assert "host key type" in error.message


def test_a_binary_list_of_revoked_keys_is_honoured_through_ssh(tmp_path: Path) -> None:
    with SystemSshd(tmp_path) as server:
        other = make_key(tmp_path / "other")
        lists = [tmp_path / "harmless.krl", tmp_path / "revoking.krl"]
        for file, key in zip(lists, (other, server.host_keys[0]), strict=True):
            subprocess.run(["ssh-keygen", "-q", "-k", "-f", str(file), f"{key}.pub"], check=True)
        facts, dialled = log_in(server, tmp_path, f"RevokedHostKeys {lists[0]}")
        assert dialled[-1] is Transport.OPENSSH
        assert "KRL" in facts.notices[0].message
        assert refusal(server, tmp_path, f"RevokedHostKeys {lists[1]}").code is Code.HOST_KEY_REVOKED
        assert server.accepted_logins() == 1


@pytest.mark.parametrize("text", ["old-name {key}", "@revoked * {key}", "SHA256:2Qk+vo4Xr4m9iw"])
def test_a_list_of_revoked_keys_that_openssh_does_not_understand_trusts_nothing(tmp_path: Path, text: str) -> None:
    with SystemSshd(tmp_path) as server:
        revoked = tmp_path / "revoked"
        revoked.write_text(f"# broken into\n{text.format(key=public_key(make_key(tmp_path / 'other')))}\n")
        error = refusal(server, tmp_path, f"RevokedHostKeys {revoked}")
        assert error.code is Code.CONFIG_UNREADABLE
        assert f"{revoked} has no public key in line 2" in error.seen
        assert server.accepted_logins() == 0
        assert not ssh_takes(server, tmp_path, f"RevokedHostKeys {revoked}")


@pytest.mark.parametrize("checked", ["yes", "no"])
def test_check_host_ip_holds_a_key_against_the_one_on_record_for_the_address(tmp_path: Path, checked: str) -> None:
    with SystemSshd(tmp_path) as server:
        other = make_key(tmp_path / "other")
        server.known_hosts.write_text(
            f"[localhost]:{server.port} {public_key(server.host_keys[0])}\n"
            f"[127.0.0.1]:{server.port} {public_key(other)}\n"
        )
        lines = ("HostName localhost", "AddressFamily inet", f"CheckHostIP {checked}", "StrictHostKeyChecking yes")
        if checked == "no":
            log_in(server, tmp_path, *lines)
            return
        error = refusal(server, tmp_path, *lines)
        assert error.code is Code.HOST_KEY_CHANGED
        assert f"{server.known_hosts} line 2" in error.message
        assert server.named_logins() == 0


@pytest.mark.parametrize(
    ("kind", "signature", "allowed", "lets_in"),
    [
        ("ed25519", "ssh-ed25519", "ssh-ed25519", True),
        ("ed25519", "ssh-ed25519", "rsa-sha2-512", False),
        ("rsa", "rsa-sha2-512", "-rsa-sha2-256", True),
        ("rsa", "rsa-sha2-256", "-rsa-sha2-256", False),
        ("rsa", "rsa-sha2-256", None, True),
        ("rsa", "ssh-rsa", None, False),
        ("rsa", "ssh-rsa", "+ssh-rsa", True),
    ],
)
def test_a_certificate_holds_only_if_its_authority_signed_in_a_way_that_is_allowed(
    tmp_path: Path, kind: str, signature: str, allowed: str | None, lets_in: bool
) -> None:
    authority = make_key(tmp_path / "authority", kind=kind)
    with SystemSshd(tmp_path) as server:
        key = server.host_keys[0]
        sign = ["ssh-keygen", "-q", "-s", str(authority), "-t", signature, "-I", "host", "-h", "-n", "127.0.0.1"]
        subprocess.run([*sign, f"{key}.pub"], check=True)
        server._options = (f"HostCertificate {key}-cert.pub",)
        server.restart()
        server.known_hosts.write_text(f"@cert-authority * {public_key(authority)}\n")
        lines = [] if allowed is None else [f"CASignatureAlgorithms {allowed}"]
        assert ssh_takes(server, tmp_path, *lines, "StrictHostKeyChecking yes") is lets_in
        if lets_in:
            assert log_in(server, tmp_path, *lines)[1] == [Transport.BUILT_IN]
            return
        error = refusal(server, tmp_path, *lines)
        assert isinstance(error, HostKeyProblem)
        assert f"signed with {signature!r}" in error.seen
        assert server.named_logins() == 0


@pytest.mark.parametrize(
    ("value", "connects"), [("standard", [Transport.BUILT_IN]), ("strict", [Transport.BUILT_IN, Transport.OPENSSH])]
)
def test_an_option_that_nobody_knows_goes_through_ssh_only_when_it_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str, connects: Sequence[Transport]
) -> None:
    """A program in the place of ssh that knows an option of the future and prints its default for every host."""
    real = subprocess.run(["sh", "-c", "command -v ssh"], capture_output=True, text=True, check=True).stdout.strip()
    folder = tmp_path / "bin"
    folder.mkdir()
    script(
        folder / "ssh",
        f'case "$*" in *-G*) case "$*" in *"-F none"*) echo "confinement standard";; *) echo "confinement {value}";; '
        f'esac;; esac\nexec {real} "$@"',
    )
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    with SystemSshd(tmp_path) as server:
        facts, dialled = log_in(server, tmp_path)
        assert dialled == connects
        assert any("confinement" in notice.message for notice in facts.notices) is (value == "strict")


_SET = (
    *("BindAddress 127.0.0.1", "BindInterface lo", "CertificateFile x", "ControlPath /x", "DynamicForward 1"),
    *(
        "GSSAPIClientIdentity x",
        "GSSAPIServerIdentity x",
        "HostKeyAlias y",
        "IdentityAgent none",
        "IgnoreUnknown Later",
    ),
    *("KbdInteractiveDevices x", "KnownHostsCommand /bin/true", "LocalCommand x", "LocalForward 1 b:2"),
    *("PKCS11Provider /x", "PreferredAuthentications publickey", "ProxyJump a", "RemoteCommand x"),
    *("RemoteForward 1 b:2", "RevokedHostKeys /x", "SendEnv A", "SetEnv A=b", "Later yes"),
)
"""Lines of options that ``ssh -G`` prints only when they are set."""


@pytest.mark.parametrize("lines", [(), _SET])
def test_every_option_that_ssh_prints_is_classified(tmp_path: Path, lines: Sequence[str]) -> None:
    config = tmp_path / "config"
    config.write_text("Host x\n" + "".join(f"  {line}\n" for line in lines))
    answer = subprocess.run(["ssh", "-F", str(config), "-G", "x"], capture_output=True, text=True, check=True).stdout
    printed = read_options(answer)
    assert printed.keys() - OPTIONS.keys() == set()
    assert len(printed) > 60


def test_a_key_exchange_that_cryptography_deprecates_writes_nothing_on_the_screen(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from tests.support.sshd.transports import both_transports\n"
        "with both_transports(Path(sys.argv[1])) as laptop: laptop.log_in()"
    )
    with SystemSshd(tmp_path, options=["KexAlgorithms diffie-hellman-group-exchange-sha256"]) as server:
        config = tmp_path / "config"
        config.write_text(server.ssh_config())
        command = [sys.executable, "-c", program, str(config)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert (done.stdout, done.stderr) == ("", "")
        assert server.accepted_logins() == 1


def test_a_helper_that_a_proxy_command_leaves_behind_disturbs_no_end(tmp_path: Path) -> None:
    """It is in a session of its own and holds the command's standard error."""
    program = (
        "import sys; from pathlib import Path; from tests.support.sshd.transports import both_transports\n"
        "with both_transports(Path(sys.argv[1])) as laptop: laptop.log_in()"
    )
    with SystemSshd(tmp_path) as server:
        helper = script(tmp_path / "helper", f"echo $$ > {tmp_path}/pid; exec sleep 60")
        proxy = tmp_path / "proxy"
        proxy.write_text(
            f"#!/bin/bash\nsetsid {helper} </dev/null >/dev/null &\nexec 3<>/dev/tcp/127.0.0.1/$1; cat <&3 & cat >&3\n"
        )
        proxy.chmod(0o755)
        config = tmp_path / "config"
        config.write_text(server.ssh_config(extra=[f"ProxyCommand {proxy} %p"]))
        errors = tmp_path / "errors"
        try:
            with errors.open("w") as stream:
                subprocess.run([sys.executable, "-c", program, str(config)], stderr=stream, check=True)
            assert errors.read_text() == ""
        finally:
            os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


def test_the_advice_for_the_unknown_key_of_a_jump_leads_to_that_jump(tmp_path: Path) -> None:
    with SystemSshd(tmp_path) as jump, SystemSshd(tmp_path) as server:
        jump_block = (
            f"Host 127.0.0.1\n  IdentityFile {jump.identity}\n  IdentitiesOnly yes\n  IdentityAgent none\n"
            f"  UserKnownHostsFile {tmp_path}/none\n  GlobalKnownHostsFile /dev/null\n"
        )
        config = tmp_path / "config"
        config.write_text(server.ssh_config(extra=[f"ProxyJump {jump.user}@127.0.0.1:{jump.port}"]) + jump_block)
        with both_transports(config) as laptop, pytest.raises(HostKeyProblem) as raised:
            laptop.log_in()
        words = f"ssh -F {config} -l {jump.user} -p {jump.port} -- 127.0.0.1"
        assert raised.value.next_step.endswith(words)


@pytest.mark.parametrize(("known", "lets_in"), [("exit 1", False), ("exit 0", True)])
def test_what_restricts_a_jump_host_is_honoured_for_the_whole_route(tmp_path: Path, known: str, lets_in: bool) -> None:
    with SystemSshd(tmp_path) as jump, SystemSshd(tmp_path) as server:
        command = script(tmp_path / "known", known)
        config = tmp_path / "config"
        config.write_text(
            jump.ssh_config("jump", extra=[f"KnownHostsCommand {command}"])
            + server.ssh_config(extra=["ProxyJump jump"])
        )
        with both_transports(config) as laptop:
            if lets_in:
                (notice,) = laptop.log_in().notices
                assert "jump" in notice.message
            else:
                with pytest.raises(HostKeyProblem):
                    laptop.log_in()
            assert laptop.dialled == [Transport.BUILT_IN, Transport.OPENSSH]
        assert server.accepted_logins() == jump.accepted_logins() == int(lets_in)


def test_what_is_configured_for_the_user_of_a_jump_host_is_honoured(tmp_path: Path) -> None:
    with SystemSshd(tmp_path) as jump, SystemSshd(tmp_path) as server:
        revoked = tmp_path / f"revoked-{jump.port}"
        revoked.write_text(f"{public_key(jump.host_keys[0])}\n")
        block = jump.ssh_config("jump").replace(f"Port {jump.port}", "Port 1").replace(f"User {jump.user}", "User else")
        config = tmp_path / "config"
        config.write_text(
            block
            + f"Match originalhost jump user root\n  RevokedHostKeys {tmp_path}/revoked-%p\n"
            + server.ssh_config(extra=[f"ProxyJump root@jump:{jump.port}"])
        )
        with both_transports(config) as laptop, pytest.raises(HostKeyProblem) as raised:
            laptop.log_in()
        assert raised.value.code is Code.HOST_KEY_REVOKED
        assert jump.accepted_logins() == server.accepted_logins() == 0
