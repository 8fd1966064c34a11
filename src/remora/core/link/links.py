"""What a link is called, how alive it is, and what machine stands behind it."""

import re
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b, sha256
from typing import Final

from remora.core.secrets import Secret

_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,23}")


class Liveness(StrEnum):
    """What a link does now."""

    CONNECTING = "connecting"
    """The first connection is being made."""
    LIVE = "live"
    """Connected, and the app server answered."""
    RECONNECTING = "reconnecting"
    """The connection was lost; the next attempt runs or has its time."""
    SUSPENDED = "suspended"
    """Not connected, and not dialled until somebody needs it: by policy, or because the host said goodbye."""
    NEEDS_HUMAN = "needs-human"
    """Trying again cannot help until a person acts: a prompt, a refused login, a changed host key, a missing codex."""
    UNREACHABLE = "unreachable"
    """Trying for long without success; tried on, rarely."""
    STOPPED = "stopped"
    """Ended by request; for good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostIdentity:
    """What a machine is, whatever it is called: two aliases with the same identity share one link.

    `node` is what it calls itself in a network. `boot_id` tells one boot from the next and is not part of equality in
    :meth:`is_same_place`.
    """

    host_key_fingerprint: str
    machine_id: str | None
    boot_id: str | None
    account: str
    codex_home: str
    node: str | None = None

    def is_same_place(self, other: "HostIdentity") -> bool:
        """Whether both mean one app server: host key, machine, account and codex home.

        The host key is all that a machine has proven; the rest it only says, and another machine can say it, too, to be
        given what is meant for the first. So a key that differs, or is not known (through the user's own control
        master), means two places: a machine with two links costs little. Machines with one key (cloned images) are told
        apart by the machine id, and by their names where a clone kept that, too.
        """
        if not self.host_key_fingerprint or self.host_key_fingerprint != other.host_key_fingerprint:
            return False
        if _differ(self.machine_id, other.machine_id) or _differ(self.node, other.node):
            return False
        return (self.account, self.codex_home) == (other.account, other.codex_home)

    def is_same_host(self, other: "HostIdentity") -> bool:
        """Whether both, reached by one name with trusted keys, are one machine and account.

        A machine may get another host key, and is not another one for that; where it says nothing else of itself, the
        key decides.
        """
        if _differ(self.machine_id, other.machine_id) or _differ(self.node, other.node):
            return False
        if (self.account, self.codex_home) != (other.account, other.codex_home):
            return False
        told = self.machine_id is not None and other.machine_id is not None
        return told or not _differ(self.host_key_fingerprint or None, other.host_key_fingerprint or None)

    def describe(self) -> str:
        """The machine and account in few words."""
        machine = self.node or (f"the machine {self.machine_id[:8]}" if self.machine_id else "a machine without a name")
        return f"{self.account}@{machine}"

    def runs_beside(self, other: "HostIdentity") -> bool:
        """Whether the two, both seen to run now, are two machines after all: no machine has two boots at once."""
        return _differ(self.boot_id, other.boot_id)


def _differ(one: str | None, other: str | None) -> bool:
    """Whether both are known, and are not the same."""
    return one is not None and other is not None and one != other


def side_door(door: str) -> str:
    """The socket beside a link's `door` for programs that have a relay session of their own."""
    return door.removesuffix(".sock") + ".side"


@dataclass(frozen=True, slots=True)
class LinkName:
    """An alias and the SSH config that gives it a meaning; `None` is the usual config, else an absolute path."""

    alias: str
    ssh_config: str | None = None

    @property
    def file_stem(self) -> str:
        """A short name for files, one for each link name: the alias itself where that is plain and unambiguous.

        Names that differ only in capitals differ here in more than that: some file systems take those for one.
        """
        if self.ssh_config is None and _PLAIN.fullmatch(self.alias) and self.alias == self.alias.lower():
            return self.alias
        digest = sha256(f"{self.ssh_config}\0{self.alias}".encode("utf-8", "surrogateescape")).hexdigest()[:12]
        return f"{'.'.join(_PLAIN.findall(self.alias)[:1])[:12] or 'host'}~{digest}"


@dataclass(frozen=True, slots=True)
class SessionName:
    """What a link calls its session with the relay of its host, and the token that proves it to be its own.

    Who comes with both and knows nothing of an earlier session is its successor: that one is over.
    """

    name: str
    token: Secret


def session_name(key: bytes, link: LinkName, mark: str) -> SessionName:
    """The same for each hub that has this `key`, one after the other; `mark` is what the name of the link means."""
    link_text = f"{link.alias}\0{link.ssh_config}\0{mark}".encode("utf-8", "surrogateescape")
    name, token = (blake2b(what + link_text, key=key, digest_size=32).hexdigest() for what in (b"name\0", b"token\0"))
    return SessionName(name[:32], Secret(token))
