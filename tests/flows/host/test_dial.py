"""The route to a host: jumps resolved like hosts, in OpenSSH's order, without circles."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from tests.support.base.loop import run

from remora.adapters.ssh.openssh_config import OpenSshResolver
from remora.core.errors import Code, ConfigProblem
from remora.core.host.hosts import Host
from remora.flows.host.dial import find_route
from remora.testing.memory_resolver import MemoryResolver


def names(jumps: Mapping[str, Sequence[str]]) -> list[str]:
    route = run(find_route("target", MemoryResolver(jumps)))
    assert route.target.alias == "target"
    return [jump.alias for jump in route.jumps]


def test_a_host_without_jumps_is_asked_about_once() -> None:
    resolver = MemoryResolver({})
    assert run(find_route("target", resolver)).jumps == ()
    assert resolver.asked == ["target"]


def test_a_chain_is_dialled_in_the_order_it_is_written() -> None:
    assert names({"target": ["first", "second", "third"]}) == ["first", "second", "third"]


def test_the_first_jump_may_have_jumps_of_its_own() -> None:
    assert names({"target": ["inner"], "inner": ["middle"], "middle": ["outer"]}) == ["outer", "middle", "inner"]


def test_later_jumps_are_reached_through_the_chain_and_nothing_else() -> None:
    jumps = {"target": ["first", "second"], "second": ["ignored"]}
    route = run(find_route("target", MemoryResolver(jumps, proxy_command="ignored too")))
    assert [jump.alias for jump in route.jumps] == ["first", "second"]
    assert [jump.proxy_command for jump in route.jumps] == ["ignored too", None]
    assert route.jumps[1].proxy_jump == ()


def test_none_is_no_jump() -> None:
    assert names({"target": ["none"]}) == []


@pytest.mark.parametrize(
    ("text", "alias", "user", "port"),
    [
        ("gate", "gate", "me", 22),
        ("root@gate", "gate", "root", 22),
        ("gate:2222", "gate", "me", 2222),
        ("a@b@gate:2222", "gate", "a@b", 2222),
        ("ssh://root@gate:2222", "gate", "root", 2222),
        ("ssh://gate/", "gate", "me", 22),
        ("[::1]:2222", "::1", "me", 2222),
        ("root@[fe80::1]", "fe80::1", "root", 22),
        ("::1", "::1", "me", 22),
    ],
)
def test_user_and_port_of_the_jump_win_over_what_its_name_means(text: str, alias: str, user: str, port: int) -> None:
    (jump,) = run(find_route("target", MemoryResolver({"target": [text]}))).jumps
    assert (jump.alias, jump.user, jump.port) == (alias, user, port)


@pytest.mark.parametrize("text", ["gate:x", "gate:0", "gate:99999", "@gate", "root@", "[::1", "[::1]x"])
def test_a_jump_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(ConfigProblem) as raised:
        names({"target": [text]})
    assert raised.value.code is Code.CONFIG_REJECTED


@pytest.mark.parametrize(
    "jumps",
    [
        {"target": ["target"]},
        {"target": ["gate"], "gate": ["target"]},
        {"target": ["a"], "a": ["b"], "b": ["root@a:2222"]},
        {"target": ["gate"], "gate": ["other", "gate"]},
    ],
)
def test_circles_are_refused(jumps: Mapping[str, Sequence[str]]) -> None:
    with pytest.raises(ConfigProblem) as raised:
        names(jumps)
    assert "cycle" in raised.value.message
    assert raised.value.host == "target"


@pytest.mark.parametrize("jump", ["-oProxyCommand=touch${IFS}marker", "$(touch marker)", "`touch marker`"])
def test_f86_a_jump_whose_name_is_an_option_or_shell_text_is_refused(tmp_path: Path, jump: str) -> None:
    config = tmp_path / "config"
    config.write_text("")
    real = OpenSshResolver(str(config))

    class Resolver(MemoryResolver):
        async def resolve(self, alias: str, *, user: str | None = None, port: int | None = None) -> Host:
            return await (
                super().resolve(alias, user=user, port=port)
                if alias == "target"
                else real.resolve(alias, user=user, port=port)
            )

    with pytest.raises(ConfigProblem):
        run(find_route("target", Resolver({"target": [jump]})))


def test_the_real_openssh_resolves_the_whole_way(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(
        "Host target\n  HostName 192.0.2.1\n  ProxyJump root@gate:2022\n"
        "Host gate\n  HostName 192.0.2.2\n  User nobody\n  ProxyJump outer\n"
        "Host outer\n  HostName 192.0.2.3\n"
    )
    route = run(find_route("target", OpenSshResolver(str(config))))
    way = [(jump.hostname, jump.user, jump.port) for jump in route.jumps]
    assert [hostname for hostname, _, _ in way] == ["192.0.2.3", "192.0.2.2"]
    assert way[1][1:] == ("root", 2022)
