"""What a name of the SSH configuration means: where its connection leads, as whom, and by which rules it trusts."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from remora.core.errors import Code, ConfigProblem
from remora.core.host.hosts import Host, Route, place_name
from remora.core.link.links import LinkName
from remora.core.settings import Transport

_COSMETIC: Final = frozenset(
    """
    addkeystoagent batchmode clearallforwardings compression connectionattempts connecttimeout controlmaster
    controlpersist dynamicforward enableescapecommandline escapechar exitonforwardfailure fingerprinthash
    forkafterauthentication forwardx11 forwardx11timeout forwardx11trusted gatewayports hashknownhosts host hostname
    identityagent ipqos localcommand localforward loglevel logverbose numberofpasswordprompts
    obscurekeystroketiming permitlocalcommand permitremoteopen port rekeylimit remotecommand remoteforward requesttty
    sendenv serveralivecountmax serveraliveinterval sessiontype stdinnull streamlocalbindmask streamlocalbindunlink
    syslogfacility tcpkeepalive tunnel tunneldevice updatehostkeys user visualhostkey xauthlocation
    """.split()  # noqa: SIM905 - read as prose
)
"""Options that say how a connection behaves, not where it leads, as whom, or what it trusts. An option that is not
known here counts: a link too many costs a login, a wrong one costs more."""
_WAY: Final = frozenset(
    {"addressfamily", "bindaddress", "bindinterface", "proxycommand", "proxyjump", "proxyusefdpass"}
)
"""Options that say by which way a machine is reached."""
_SHARED: Final = ("forwardagent", "setenv")
"""Options that hold for everybody on one connection."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a name meant at one moment.

    `place` is for people, as in ``me@10.0.0.1:22``. Two meanings with one `mark` lead to one place by the same rules.
    Names of one machine share a connection only where the `manner` is the same: what all who use it get. `machine` is
    what stays the same when one machine is reached in another way, `None` where the configuration gives it no name.
    """

    place: str
    mark: str
    manner: str
    machine: str | None = None

    def is_same_machine(self, other: "Meaning") -> bool:
        """Whether the configuration says that both are one machine, with one key, one account and one set of rules.

        A ``HostKeyAlias`` says so: whatever answers at another address has to prove the key on record under that name.
        """
        return self.machine is not None and self.machine == other.machine


@dataclass(frozen=True, slots=True)
class MeantName:
    """A name, and the mark of what it meant to whoever said it."""

    name: LinkName
    mark: str


def meaning_of(route: Route, transport: Transport) -> Meaning:
    """What the name of this route means, dialled by `transport`."""
    target = route.target
    place = " > ".join(place_name(host.user, host.hostname, host.port) for host in (*route.jumps, target))
    manner = _digest([transport.value, *(f"{key} {value}" for key in _SHARED for value in target.options.get(key, ()))])
    facts = [manner]
    for host in (*route.jumps, target):
        facts += [place_name(host.user, host.hostname, host.port), *_rules(host)]
    lasting = [rule for rule in _rules(target) if rule.partition(" ")[0] not in _WAY]
    machine = None if target.host_key_alias is None else _digest([manner, target.user, *lasting])
    return Meaning(place, _digest(facts), manner, machine)


def alias_changed(alias: str, *, made: Meaning, now: Meaning) -> ConfigProblem:
    """The link to `alias` cannot be dialled as what it was made for."""
    return ConfigProblem(
        Code.ALIAS_CHANGED,
        f"{describe_change(alias, made=made.place, now=now.place)} remora does not dial it.",
        next_step=f"Use the new configuration with: remora connect {alias}. If only the environment of the hub "
        "differs, first run: remora hub stop",
        host=alias,
    )


def describe_change(alias: str, *, made: str, now: str) -> str:
    """In a sentence, that a link was made for another meaning of its name."""
    if made == now:
        return f"The SSH configuration of {alias} has changed since its link was made."
    return f"{alias} now means {now}, but its link leads to {made}."


def _rules(host: Host) -> Iterator[str]:
    for keyword, values in sorted(host.options.items()):
        if keyword not in _COSMETIC:
            yield from (f"{keyword} {value}" for value in values)


def _digest(facts: list[str]) -> str:
    return sha256("\n".join(facts).encode("utf-8", "surrogateescape")).hexdigest()[:24]
