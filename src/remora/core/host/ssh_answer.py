"""What ``ssh -G`` answered, as a :class:`~remora.core.host.hosts.Host`.

The answer is not ready to use: paths of identity, certificate and revocation files keep their tilde,
``%`` tokens and ``${VARIABLES}``, a ProxyCommand keeps its tokens, and file lists are joined by spaces
without quotes. All that is settled here, with the meaning that ssh_config(5) gives it.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from remora.core.errors import Code, ConfigProblem
from remora.core.host.hosts import AGENT_VARIABLE, AddressFamily, Host, StrictHostKeyChecking

_NOTHING: Final = "none"
_STRICTNESS: Final = {
    "ask": StrictHostKeyChecking.ASK,
    "yes": StrictHostKeyChecking.YES,
    "true": StrictHostKeyChecking.YES,
    "accept-new": StrictHostKeyChecking.ACCEPT_NEW,
    "no": StrictHostKeyChecking.NO,
    "off": StrictHostKeyChecking.NO,
    "false": StrictHostKeyChecking.NO,
}
_TOKEN: Final = re.compile(r"%(.)")
_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_DANGEROUS: Final = frozenset("'\"`$\\;&<>|(){}*?!#~ \t\r\n\0")


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalAccount:
    """What tokens and variables may refer to: the local user, machine and environment."""

    home: str
    user: str
    uid: int
    hostname: str
    environment: Mapping[str, str]


def parse_answer(alias: str, text: str, account: LocalAccount) -> Host:
    """Read the whole answer. Raises :class:`ConfigProblem` when it is none, or cannot be used safely."""
    options = read_options(text)
    hostname, user, port = (_last(options, keyword) for keyword in ("hostname", "user", "port"))
    if hostname is None or user is None or port is None or not port.isdecimal():
        raise ConfigProblem(
            Code.CONFIG_REJECTED,
            f"The output of ssh -G for {alias!r} has no hostname, user and port.",
            seen=text,
            next_step=f"Check the output of: ssh -G -- {alias}",
            host=alias,
        )
    words = _Words(alias, hostname, user, port, options, account)
    return Host(
        alias=alias,
        hostname=hostname,
        port=int(port),
        user=user,
        identity_files=words.files("identityfile"),
        certificate_files=words.files("certificatefile"),
        identities_only=_is_yes(options, "identitiesonly"),
        identity_agent=words.agent(),
        forward_agent=words.forward_agent(),
        proxy_jump=_split_commas(_present(options, "proxyjump")),
        proxy_command=words.proxy_command(),
        user_known_hosts=words.file_list("userknownhostsfile"),
        global_known_hosts=words.file_list("globalknownhostsfile"),
        revoked_host_keys=next(iter(words.files("revokedhostkeys")), None),
        host_key_alias=_present(options, "hostkeyalias"),
        strict_host_key_checking=_STRICTNESS.get(_last(options, "stricthostkeychecking") or "", _STRICTNESS["ask"]),
        hash_known_hosts=_is_yes(options, "hashknownhosts"),
        address_family=_address_family(options),
        bind_address=_present(options, "bindaddress"),
        connect_timeout=_seconds(options, "connecttimeout"),
        keepalive_interval=_seconds(options, "serveraliveinterval"),
        keepalive_count=_count(options, "serveralivecountmax"),
        batch_mode=_is_yes(options, "batchmode"),
        compression=_is_yes(options, "compression"),
        preferred_authentications=_split_commas(_present(options, "preferredauthentications")),
        caller_agent=account.environment.get(AGENT_VARIABLE) or None,
        options=options,
    )


@dataclass(frozen=True, slots=True)
class _Words:
    """Makes the words of one answer ready to use."""

    alias: str
    hostname: str
    user: str
    port: str
    options: Mapping[str, Sequence[str]]
    account: LocalAccount

    def files(self, keyword: str) -> tuple[str, ...]:
        """Paths, one per line of the answer."""
        return tuple(self._path(value) for value in self.options.get(keyword, ()) if value.lower() != _NOTHING)

    def file_list(self, keyword: str) -> tuple[str, ...]:
        """Paths that share a line. OpenSSH prints them expanded and unquoted, so a word that does not begin
        a path belongs to the one before it: that is how ``/home/a b`` is told from two files."""
        paths: list[str] = []
        for word in (_last(self.options, keyword) or "").split(" "):
            if paths and word[:1] not in ("/", "~") and paths[-1][:1] in ("/", "~"):
                paths[-1] += f" {word}"
            else:
                paths.append(word)
        return tuple(self._home(path) for path in paths if path and path.lower() != _NOTHING)

    def agent(self) -> str | None:
        """The socket of the agent to ask: what the configuration says, else ``$SSH_AUTH_SOCK``."""
        value = _last(self.options, "identityagent") or AGENT_VARIABLE
        if value.lower() == _NOTHING:
            return None
        if value == AGENT_VARIABLE:
            return self.account.environment.get(value) or None
        if value.startswith("$") and not value.startswith("${"):
            return self.account.environment.get(value[1:]) or None
        return self._path(value)

    def forward_agent(self) -> str | None:
        value = _last(self.options, "forwardagent")
        return None if value is None or value in ("no", "false") else value

    def proxy_command(self) -> str | None:
        """The command with ``%h %n %p %r`` filled in, as for the user's shell.

        A name that a shell could take for more than a word is refused: OpenSSH would run it.
        """
        command = _present(self.options, "proxycommand")
        if command is None:
            return None
        values = {"h": self.hostname, "n": self.alias, "p": self.port, "r": self.user}
        for token in _TOKEN.findall(command):
            value = values.get(token, "")
            if value.startswith("-") or not _DANGEROUS.isdisjoint(value):
                raise ConfigProblem(
                    Code.ALIAS_UNSAFE,
                    f"The ProxyCommand of {self.alias!r} would pass {value!r} to a shell.",
                    seen=command,
                    next_step="Give the host a plain HostName and User in the SSH config.",
                    host=self.alias,
                )
        return _fill(command, values)

    def _path(self, value: str) -> str:
        environment = self.account.environment
        filled = _VARIABLE.sub(lambda found: environment.get(found[1], found[0]), self._home(value))
        return _fill(filled, self._path_tokens()) if "%" in filled else filled

    def _home(self, value: str) -> str:
        home = self.account.home
        return f"{home}{value[1:]}" if value == "~" or value.startswith("~/") else value

    def _path_tokens(self) -> dict[str, str]:
        local, jumps = self.account.hostname, _present(self.options, "proxyjump") or ""
        digest = hashlib.sha1(f"{local}{self.hostname}{self.port}{self.user}".encode(), usedforsecurity=False)
        return {
            "C": digest.hexdigest(),
            "L": local.partition(".")[0],
            "d": self.account.home,
            "h": self.hostname,
            "i": str(self.account.uid),
            "j": jumps.rpartition(",")[2],
            "k": _present(self.options, "hostkeyalias") or self.alias,
            "l": local,
            "n": self.alias,
            "p": self.port,
            "r": self.user,
            "u": self.account.user,
        }


def unset_variable(host: Host, environment: Mapping[str, str]) -> str | None:
    """A variable without a value in the name of a key or certificate: OpenSSH logs in nowhere with it."""
    values = (*host.options.get("identityfile", ()), *host.options.get("certificatefile", ()))
    names = (found[1] for value in values for found in _VARIABLE.finditer(value))
    return next((name for name in names if name not in environment), None)


def read_options(text: str) -> dict[str, tuple[str, ...]]:
    """The lines of an answer: keywords in lower case, and their values in order."""
    options: dict[str, list[str]] = {}
    for line in text.split("\n"):
        keyword, _, value = line.partition(" ")
        if keyword:
            options.setdefault(keyword.lower(), []).append(value.strip())
    return {keyword: tuple(values) for keyword, values in options.items()}


def _fill(text: str, values: Mapping[str, str]) -> str:
    """Replace tokens; ``%%`` is a percent sign, and an unknown token stays as it is."""
    return _TOKEN.sub(lambda found: {"%": "%", **values}.get(found[1], found[0]), text)


def _last(options: Mapping[str, Sequence[str]], keyword: str) -> str | None:
    values = options.get(keyword)
    return values[-1] if values else None


def _present(options: Mapping[str, Sequence[str]], keyword: str) -> str | None:
    value = _last(options, keyword)
    return None if value is None or value.lower() == _NOTHING or not value else value


def _is_yes(options: Mapping[str, Sequence[str]], keyword: str) -> bool:
    return _last(options, keyword) in ("yes", "true")


def _count(options: Mapping[str, Sequence[str]], keyword: str) -> int | None:
    value = _present(options, keyword)
    return int(value) if value is not None and value.isdecimal() else None


def _seconds(options: Mapping[str, Sequence[str]], keyword: str) -> float | None:
    return _count(options, keyword) or None


def _split_commas(value: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if value else ()


def _address_family(options: Mapping[str, Sequence[str]]) -> AddressFamily:
    value = _last(options, "addressfamily")
    return next((family for family in AddressFamily if family.value == value), AddressFamily.ANY)
