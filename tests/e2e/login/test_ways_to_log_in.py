"""Ways to log in, each beside the system's ``ssh``: the same outcome, and a refusal with its cause."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.sshd.agents import ssh_agent
from tests.support.sshd.system_sshd import SystemSshd, make_key, public_key
from tests.support.sshd.transports import both_transports

from remora.core.errors import Code, RemoraError

pytestmark = pytest.mark.sshd

Change = Callable[[SystemSshd, Path], object]


@dataclass(frozen=True)
class Way:
    """A server with `options`, changed by `change`, and a laptop with `lines`. `code` and `cause` of a refusal."""

    options: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    change: Change = lambda server, folder: None
    kinds: tuple[str, ...] = ("ed25519",)
    code: Code | None = None
    cause: str = ""


def key(*words: str) -> Change:
    """Another key of the user."""

    def change(server: SystemSshd, folder: Path) -> None:
        server.identity.unlink()
        subprocess.run(["ssh-keygen", "-q", *words, "-N", "", "-f", str(server.identity)], check=True, input=b"y\n")
        server.authorized_keys.write_text(public_key(server.identity))

    return change


def authorized(options: str) -> Change:
    """Options before the key in authorized_keys."""
    return lambda server, folder: server.authorized_keys.write_text(f"{options} {public_key(server.identity)}\n")


def known(line: str) -> Change:
    """Another known hosts file."""

    def change(server: SystemSshd, folder: Path) -> None:
        other = make_key(folder / "other")
        fields = {"port": server.port, "key": public_key(server.host_keys[0]), "other": public_key(other)}
        server.known_hosts.write_text(line.format(**fields))

    return change


def mode(bits: int) -> Change:
    """Another mode of the key's file."""
    return lambda server, folder: server.identity.chmod(bits)


REFUSED, UNUSABLE = Code.AUTHENTICATION_REFUSED, Code.KEY_UNUSABLE
UNKNOWN, CHANGED, REVOKED = Code.HOST_KEY_UNKNOWN, Code.HOST_KEY_CHANGED, Code.HOST_KEY_REVOKED
WAYS = {
    "an ECDSA key of 256 bits": Way(change=key("-t", "ecdsa", "-b", "256")),
    "an ECDSA key of 521 bits": Way(change=key("-t", "ecdsa", "-b", "521")),
    "an RSA key": Way(change=key("-t", "rsa", "-b", "2048")),
    "an RSA key as PEM": Way(change=key("-t", "rsa", "-b", "2048", "-m", "PEM")),
    "an ECDSA key as PKCS8": Way(change=key("-t", "ecdsa", "-m", "PKCS8")),
    "a key that only its owner reads": Way(change=mode(0o400)),
    "a key that others may read": Way(change=mode(0o644), code=UNUSABLE, cause="0644"),
    "no compression": Way(options=("Compression no",), lines=("Compression yes",)),
    "a small rekey limit": Way(options=("RekeyLimit 1M",)),
    "one cipher in counter mode": Way(options=("Ciphers aes256-ctr", "MACs hmac-sha2-512")),
    "one stream cipher": Way(options=("Ciphers chacha20-poly1305@openssh.com",)),
    "one UMAC": Way(options=("Ciphers aes128-ctr", "MACs umac-128@openssh.com")),
    "one old key exchange": Way(options=("KexAlgorithms ecdh-sha2-nistp521",)),
    "one key exchange of tomorrow": Way(options=("KexAlgorithms sntrup761x25519-sha512@openssh.com",)),
    "one cipher in CBC mode": Way(options=("Ciphers aes128-cbc",), code=Code.KEY_EXCHANGE_FAILED, cause="cipher"),
    "host keys of three kinds": Way(kinds=("rsa", "ecdsa", "ed25519")),
    "an ECDSA host key": Way(kinds=("ecdsa",)),
    "an RSA host key": Way(kinds=("rsa",)),
    "an RSA host key with SHA-1 alone": Way(
        kinds=("rsa",),
        options=("HostKeyAlgorithms ssh-rsa",),
        code=Code.KEY_EXCHANGE_FAILED,
        cause="host key type",
    ),
    "a host key known under a pattern": Way(change=known("[127.0.0.*]:{port},!other {key}\n")),
    "a host key known for all": Way(change=known("* {key}\n")),
    "a host key that a pattern rules out": Way(change=known("*,!*127.0.0.1* {key}\n"), code=UNKNOWN),
    "a host key known on the default port": Way(change=known("127.0.0.1 {key}\n")),
    "a different host key": Way(change=known("[127.0.0.1]:{port} {other}\n"), code=CHANGED, cause="line 1"),
    "a revoked host key": Way(change=known("* {key}\n@revoked * {key}\n"), code=REVOKED, cause="line 2"),
    "an unknown host key": Way(change=known("# nothing\n"), code=UNKNOWN, cause="SHA256:"),
    "an alias for the host key": Way(lines=("HostKeyAlias box",), change=known("box {key}\n")),
    "no terminal": Way(change=authorized("restrict")),
    "no terminal for anybody": Way(options=("PermitTTY no", "DisableForwarding yes")),
    "from elsewhere only": Way(change=authorized('from="192.0.2.0/24"'), code=REFUSED, cause="keys offered: 1"),
    "until 2020": Way(change=authorized('expiry-time="20200101"'), code=REFUSED, cause="keys offered: 1"),
    "users that are others": Way(options=("AllowUsers somebody",), code=REFUSED),
    "a user who is denied": Way(options=("DenyUsers *",), code=REFUSED),
    "no keys": Way(
        options=("PubkeyAuthentication no", "PasswordAuthentication yes"),
        lines=("BatchMode yes",),
        code=REFUSED,
        cause="It allows only password, and BatchMode forbids prompts",
    ),
    "no sessions": Way(options=("MaxSessions 0",), code=Code.CHANNEL_REFUSED, cause="session"),
    "one session": Way(options=("MaxSessions 1",)),
    "one try": Way(options=("MaxAuthTries 1",)),
    "a banner": Way(options=("Banner /etc/hostname",)),
    "an agent that is not there": Way(lines=("IdentityAgent /nonexistent",)),
    "a key that is not there": Way(lines=("IdentityFile /nonexistent",)),
    "a control master that is gone": Way(lines=("ControlPath /nonexistent/%C", "ControlMaster no")),
    "methods in another order": Way(lines=("PreferredAuthentications password,publickey",)),
    "keepalives": Way(lines=("ServerAliveInterval 1", "ServerAliveCountMax 2", "TCPKeepAlive no")),
    "an environment": Way(options=("AcceptEnv *",), lines=("SetEnv A=b", "SendEnv LANG")),
}


def ssh_logs_in(config: Path) -> bool:
    command = ["ssh", "-F", str(config), "-o", "BatchMode=yes", "devbox", "echo hello"]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False).stdout == b"hello\n"


@pytest.mark.parametrize("name", WAYS)
def test_a_way_to_log_in_ends_as_with_ssh(name: str, tmp_path: Path) -> None:
    way = WAYS[name]
    with SystemSshd(tmp_path, options=way.options, host_key_kinds=way.kinds) as server:
        way.change(server, tmp_path)
        config = tmp_path / "config"
        config.write_text(server.ssh_config(extra=way.lines))
        assert ssh_logs_in(config) is (way.code is None)
        with both_transports(config) as laptop:
            if way.code is None:
                laptop.log_in()
                return
            with pytest.raises(RemoraError) as raised:
                laptop.log_in()
        assert raised.value.code is way.code
        assert way.cause in raised.value.message


def test_a_chain_of_jumps_and_an_agent_end_as_with_ssh(tmp_path: Path) -> None:
    with (
        SystemSshd(tmp_path) as first,
        SystemSshd(tmp_path) as second,
        SystemSshd(tmp_path) as server,
        ssh_agent(first.identity, second.identity, server.identity) as agent,
    ):
        extra = [f"IdentityAgent {agent}"]
        blocks = (
            first.ssh_config("first", extra=extra),
            second.ssh_config("second", extra=extra),
            server.ssh_config(extra=[*extra, "ProxyJump first,second"]),
        )
        config = tmp_path / "config"
        config.write_text("".join(blocks))
        for each in (first, second, server):
            each.identity.unlink()
        assert ssh_logs_in(config)
        with both_transports(config) as laptop:
            laptop.log_in()
