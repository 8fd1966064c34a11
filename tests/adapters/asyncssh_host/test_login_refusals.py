"""A refused login names its cause, is told from a lost network, and is not tried again."""

import os
import subprocess
from pathlib import Path

import pytest
from tests.support.sshd.account_sshd import AccountSshd
from tests.support.sshd.agents import ssh_agent
from tests.support.sshd.system_sshd import SystemSshd, make_key, public_key
from tests.support.sshd.transports import both_transports

from remora.core.errors import Code, ExitCode, RemoraError, Stage, Verdict
from remora.core.settings import Transport
from remora.testing.scripted_person import ScriptedPerson

pytestmark = pytest.mark.sshd

PAM = """auth required pam_permit.so
account required {}
session required pam_permit.so
"""
EXPIRED = "remora-test:*:19000:0:99999:7::1:\n"
"""As after ``chage -E 1``."""


def refusals(server: SystemSshd, tmp_path: Path, *extra: str, times: int = 1, only: bool = True) -> list[RemoraError]:
    """How that many logins in a row fail for one laptop."""
    config = tmp_path / "config"
    config.write_text(server.ssh_config(extra=extra))
    errors = []
    with both_transports(config, transport=Transport.BUILT_IN if only else Transport.OPENSSH) as laptop:
        for _ in range(times):
            with pytest.raises(RemoraError) as raised:
                laptop.log_in()
            errors.append(raised.value)
    return errors


def certify(server: SystemSshd, authority: Path, *words: str) -> None:
    sign = ["ssh-keygen", "-q", "-s", str(authority), "-I", "laptop", *words, f"{server.identity}.pub"]
    subprocess.run(sign, check=True)


@pytest.mark.parametrize("built_in", [True, False])
def test_an_account_that_has_expired_is_told_in_the_words_of_the_host(tmp_path: Path, built_in: bool) -> None:
    files = {"/etc/pam.d/sshd": PAM.format("pam_unix.so"), "/etc/shadow": EXPIRED}
    with AccountSshd("/bin/sh", ordinary=True, options=["UsePAM yes", "Banner /etc/issue"], files=files) as server:
        (error,) = refusals(server, tmp_path, only=built_in)
        assert (error.code, error.exit_code) == (Code.ACCOUNT_REFUSED, ExitCode.AUTHENTICATION)
        assert error.verdict is Verdict.NEEDS_HUMAN
        assert "Your account has expired" in error.message
        assert "GNU/Linux" not in error.message
        assert server.connections() == 1


@pytest.mark.parametrize("built_in", [True, False])
def test_an_account_refused_without_a_word_is_a_refusal_the_second_time(tmp_path: Path, built_in: bool) -> None:
    files = {"/etc/pam.d/sshd": PAM.format("pam_deny.so")}
    with AccountSshd("/bin/sh", ordinary=True, options=["UsePAM yes"], files=files) as server:
        first, second = refusals(server, tmp_path, times=2, only=built_in)
        assert (first.code, first.stage) == (Code.CONNECTION_CLOSED, Stage.AUTHENTICATION)
        assert "account" in first.next_step
        assert second.code is Code.ACCOUNT_REFUSED
        assert server.connections() == 2


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (["-n", "{user}", "-V", "20200101:20200102"], "expired on 2020-01-02"),
        (["-n", "{user}", "-V", "20900101:20900102"], "is not valid before 20"),
        (["-n", "somebody,else"], "is for somebody, else, not for {user}"),
        (["-h", "-n", "{user}"], "is a host certificate, not a user certificate"),
        ([], "is for no user by name, not for {user}"),
        (["-n", "{user}", "-O", "source-address=192.0.2.0/24"], "is valid only from 192.0.2.0/24"),
    ],
)
@pytest.mark.parametrize("where", ["beside the key", "in the agent"])
def test_what_is_wrong_with_a_certificate_is_told(tmp_path: Path, words: list[str], cause: str, where: str) -> None:
    authority = make_key(tmp_path / "authority")
    with SystemSshd(tmp_path, options=[f"TrustedUserCAKeys {authority}.pub"]) as server:
        server.authorized_keys.write_text("")
        certify(server, authority, *(word.format(user=server.user) for word in words))
        if where == "in the agent":
            with ssh_agent(server.identity) as agent:
                (error,) = refusals(server, tmp_path, f"IdentityAgent {agent}")
        else:
            (error,) = refusals(server, tmp_path)
        assert error.code is Code.KEY_UNUSABLE
        assert cause.format(user=server.user) in error.message
        assert "'laptop'" in error.message
        assert "certificate" in error.next_step


def test_a_key_of_the_agent_that_is_for_certain_hosts_is_used_through_ssh(tmp_path: Path) -> None:
    """As of ``ssh-add -h``: the agent lists it, and signs with it only for a host whose proof it was shown."""
    with SystemSshd(tmp_path) as server, ssh_agent() as agent:
        add = ["ssh-add", "-q", "-H", str(server.known_hosts), "-h", f"[127.0.0.1]:{server.port}", str(server.identity)]
        subprocess.run(add, check=True, env={**os.environ, "SSH_AUTH_SOCK": agent})
        server.identity.unlink()
        config = tmp_path / "config"
        config.write_text(server.ssh_config(extra=[f"IdentityAgent {agent}"]))
        with both_transports(config) as laptop:
            (notice,) = laptop.log_in().notices
        assert notice.code == "openssh-used"
        assert "ssh-add -h" in notice.message


def test_a_key_that_somebody_declines_to_sign_with_is_named(tmp_path: Path) -> None:
    with SystemSshd(tmp_path) as server, ssh_agent() as agent:
        environment = {**os.environ, "SSH_AUTH_SOCK": agent}
        subprocess.run(["ssh-add", "-q", "-c", str(server.identity)], check=True, env=environment)
        server.identity.unlink()
        (error,) = refusals(server, tmp_path, f"IdentityAgent {agent}")
        assert error.code is Code.AGENT_REFUSED
        assert "identity" in error.message
        assert server.accepted_logins() == 0


@pytest.mark.parametrize("methods", ["gssapi-with-mic", "hostbased"])
def test_a_host_that_wants_another_way_to_log_in_is_told_so(tmp_path: Path, methods: str) -> None:
    switches = ["GSSAPIAuthentication yes", "HostbasedAuthentication yes"]
    with SystemSshd(tmp_path, options=[f"AuthenticationMethods {methods}", *switches]) as server:
        (error,) = refusals(server, tmp_path)
        assert error.code is Code.AUTHENTICATION_REFUSED
        assert f"It allows only {methods}." in error.message


@pytest.mark.parametrize("form", ["PEM", "PKCS8"])
def test_an_encrypted_key_without_its_public_half_is_unlocked_first(tmp_path: Path, form: str) -> None:
    """In these formats nothing of the key can be read without its passphrase."""
    with SystemSshd(tmp_path) as server:
        server.identity.unlink()
        make = ["ssh-keygen", "-q", "-t", "rsa", "-m", form, "-N", "sesame", "-f", str(server.identity)]
        subprocess.run(make, check=True)
        server.authorized_keys.write_text(public_key(server.identity))
        Path(f"{server.identity}.pub").unlink()
        config = tmp_path / "config"
        config.write_text(server.ssh_config())
        with both_transports(config) as laptop:
            laptop.log_in(dialogue=ScriptedPerson(secrets=["no", "sesame"]))


@pytest.mark.parametrize("content", ["", "garbage"])
def test_a_key_file_without_a_key_is_named(tmp_path: Path, content: str) -> None:
    with SystemSshd(tmp_path) as server:
        server.identity.write_text(content)
        (error,) = refusals(server, tmp_path)
        assert error.code is Code.KEY_UNUSABLE
        assert f"{server.identity}: it holds no key" in error.message


def test_a_host_certificate_that_does_not_hold_leaves_the_plain_key_on_record(tmp_path: Path) -> None:
    authority = make_key(tmp_path / "authority")
    with SystemSshd(tmp_path) as server:
        key, validity = server.host_keys[0], ["-V", "20200101:20200102"]
        sign = [
            "ssh-keygen",
            "-q",
            "-s",
            str(authority),
            "-I",
            "host",
            "-h",
            "-n",
            "127.0.0.1",
            *validity,
            f"{key}.pub",
        ]
        subprocess.run(sign, check=True)
        server._options = (f"HostCertificate {key}-cert.pub",)
        server.restart()
        trusted = f"@cert-authority * {public_key(authority)}\n"
        config = tmp_path / "config"
        config.write_text(server.ssh_config())
        server.known_hosts.write_text(trusted)
        (error,) = refusals(server, tmp_path)
        assert error.code is Code.HOST_KEY_UNKNOWN
        assert "expired" in error.seen
        server.known_hosts.write_text(f"{trusted}[127.0.0.1]:{server.port} {public_key(key)}\n")
        with both_transports(config) as laptop:
            assert [notice.code for notice in laptop.log_in().notices] == ["host-certificate-invalid"]
        server.known_hosts.write_text(f"{trusted}@revoked * {public_key(key)}\n")
        (error,) = refusals(server, tmp_path)
        assert error.code is Code.HOST_KEY_REVOKED


def test_only_the_public_half_of_a_key_file_names_the_key_of_the_agent(tmp_path: Path) -> None:
    wrong = [make_key(tmp_path / f"wrong{number}") for number in range(3)]
    with (
        SystemSshd(tmp_path, options=["MaxAuthTries 2"]) as server,
        ssh_agent(*wrong, server.identity) as agent,
    ):
        server.identity.unlink()
        config = tmp_path / "config"
        config.write_text(server.ssh_config(extra=[f"IdentityAgent {agent}"]))
        with both_transports(config) as laptop:
            assert laptop.log_in().notices == ()
        config.write_text(server.ssh_config())
        with both_transports(config) as laptop, pytest.raises(RemoraError):
            laptop.log_in()


@pytest.mark.parametrize("text", [b"Bienvenue \xe0 bord\n", b"\xff\xfe\x00\n", b"\x1b[2J hello\n"])
def test_a_banner_that_is_no_text_stops_no_login(tmp_path: Path, text: bytes) -> None:
    banner = tmp_path / "banner"
    banner.write_bytes(text)
    with SystemSshd(tmp_path, options=[f"Banner {banner}"]) as server:
        config = tmp_path / "config"
        config.write_text(server.ssh_config())
        with both_transports(config) as laptop:
            laptop.log_in()
