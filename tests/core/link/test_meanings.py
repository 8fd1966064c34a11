"""What counts as another meaning of a name, and what does not."""

from dataclasses import replace

import pytest

from remora.core.host.hosts import Host, Route
from remora.core.link.meanings import Meaning, meaning_of
from remora.core.settings import Transport


def host(*, hostname: str = "10.0.0.1", port: int = 22, user: str = "me", **options: str) -> Host:
    known = {"userknownhostsfile": ("/home/me/.ssh/known_hosts",), "identityfile": ("~/.ssh/id_ed25519",)}
    lines = {**known, **{key: (value,) for key, value in options.items()}}
    return Host(alias="box", hostname=hostname, port=port, user=user, options=lines)


def meaning(target: Host, *jumps: Host, transport: Transport = Transport.BUILT_IN) -> Meaning:
    return meaning_of(Route(target, jumps), transport)


@pytest.mark.parametrize(
    "changed",
    [
        host(hostname="10.0.0.2"),
        host(port=2201),
        host(user="other"),
        *(host(hostkeyalias="other"), host(userknownhostsfile="/other"), host(stricthostkeychecking="yes")),
        *(host(knownhostscommand="/bin/keys"), host(requiredrsasize="4096"), host(revokedhostkeys="/revoked")),
        *(
            host(proxycommand="nc %h %p"),
            host(proxyjump="gate"),
            host(bindaddress="10.0.0.9"),
            host(addressfamily="inet6"),
        ),
        *(host(identityfile="/other"), host(certificatefile="/c"), host(forwardagent="yes"), host(setenv="A=1")),
        host(anoptionofnextyear="yes"),
    ],
    ids=lambda each: f"{each.user}@{each.hostname}:{each.port} {' '.join(each.options)}",
)
def test_a3_another_place_account_key_or_rule_of_trust_is_another_meaning(changed: Host) -> None:
    assert meaning(changed).mark != meaning(host()).mark


@pytest.mark.parametrize(
    "option",
    ["serveraliveinterval", "loglevel", "compression", "visualhostkey", "connecttimeout", "identityagent", "host"],
)
def test_a3_how_a_connection_behaves_is_no_part_of_its_meaning(option: str) -> None:
    changed = replace(host(), options={**host().options, option: ("7",)})
    assert meaning(changed).mark == meaning(host()).mark


def test_a3_the_way_counts_hop_by_hop_and_so_does_who_dials() -> None:
    gate = host(hostname="gate")
    ways = [meaning(host()), meaning(host(), gate), meaning(host(), host(hostname="gate", port=2222))]
    ways += [meaning(host(), gate, transport=Transport.OPENSSH), meaning(host(), host(hostname="gate", user="root"))]
    assert len({each.mark for each in ways}) == len(ways)
    assert ways[1].place == "me@gate:22 > me@10.0.0.1:22"


def test_a3_names_share_a_connection_only_where_it_gives_the_host_the_same() -> None:
    plain, lent = meaning(host()), meaning(host(forwardagent="yes"))
    assert plain.manner != lent.manner
    assert plain.manner == meaning(host(hostname="10.0.0.2", user="other")).manner
    assert plain.manner != meaning(host(), transport=Transport.OPENSSH).manner


def test_a3_an_address_of_ipv6_is_told_from_its_port() -> None:
    assert meaning(host(hostname="::1", port=2200)).place == "me@[::1]:2200"


def test_a3_a_machine_with_a_name_for_its_key_stays_the_same_at_another_address() -> None:
    def named(hostname: str = "10.0.0.1", user: str = "me", **changed: str) -> Meaning:
        plain = host(hostname=hostname, user=user)
        options = {**plain.options, **{key: (value,) for key, value in {"hostkeyalias": "box", **changed}.items()}}
        return meaning(replace(plain, host_key_alias="box", options=options))

    assert named().is_same_machine(named(hostname="10.0.0.2"))
    assert named().is_same_machine(named(proxyjump="gate", bindaddress="10.0.0.9"))
    for other in (named(user="other"), named(userknownhostsfile="/x"), named(setenv="A=1"), named(hostkeyalias="x")):
        assert not named().is_same_machine(other)
    assert not meaning(host()).is_same_machine(meaning(host(hostname="10.0.0.2"))), "nothing names its key"
