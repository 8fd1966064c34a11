import pytest

from remora.core.errors import ConfigProblem, UsageProblem
from remora.core.link.egress import (
    EgressRequest,
    check_request,
    find_destination,
    normal_host,
    read_destination,
    split_authority,
)
from remora.core.link.upstream import read_upstream
from remora.core.secrets import MASK


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("api.example.com", "api.example.com:443"),
        ("API.Example.com.:8443", "api.example.com:8443"),
        ("*.example.com", "*.example.com:443"),
        ("bücher.example", "xn--bcher-kva.example:443"),
        ("localhost:8080", "localhost:8080"),
        ("127.0.0.1:8080", "127.0.0.1:8080"),
        ("[::1]:8080", "[::1]:8080"),
        ("[::ffff:127.0.0.1]", "127.0.0.1:443"),
        ("[0:0::1]", "[::1]:443"),
    ],
)
def test_a_destination_has_one_form(text: str, said: str) -> None:
    assert str(read_destination(text)) == said


@pytest.mark.parametrize(
    "text",
    [
        *("", "*", "*.", "*.com", "*.10.0.0.1", "a b", "http://example.com", "example.com/", "me@example.com", "a..b"),
        *("example.com:", "example.com:0", "example.com:65536", "example.com:https", "::1", "[::1", "[::1]x", "-a.b"),
        *("127.1", "0x7f.1", "2130706433", "[fe80::1%eth0]", "*.*.example.com", "exa*mple.com", "[example.com]:1"),
        *("example.com:\u0661", "a" * 64, "\u2024com"),
    ],
)
def test_what_is_no_destination_is_refused(text: str) -> None:
    with pytest.raises(UsageProblem):
        read_destination(text)


@pytest.mark.parametrize(
    ("asked", "covered"),
    [
        ("api.example.com:443", True),
        ("API.EXAMPLE.COM.:443", True),
        ("api.example.com:80", False),
        ("xapi.example.com:443", False),
        ("api.example.com.evil.test:443", False),
        ("example.org:443", False),
        ("a.b.example.org:443", True),
        ("notexample.org:443", False),
        ("10.1.2.3:443", False),
    ],
)
def test_only_what_was_named_is_covered(asked: str, covered: bool) -> None:
    named = [read_destination("api.example.com"), read_destination("*.example.org")]
    place = split_authority(asked, default=None)
    assert place is not None
    assert (find_destination(named, *place) is not None) is covered


CLOUDS_OWN = (
    *("168.63.129.16", "::ffff:168.63.129.16", "64:ff9b::168.63.129.16", "2002:a83f:8110::1"),  # Azure
    *("169.254.170.2", "169.254.170.23", "169.254.42.42", "169.254.0.23", "fd00:ec2::23", "fd00:ec2::253"),
    *("fd20:ce::254", "fd00:c1::a9fe:a9fe", "fd00:42::42", "fd00:a9fe:a9fe::1", "fe80::a9fe:a9fe", "192.0.0.192"),
    *("100.100.100.200", "100.96.0.96", "100.80.80.80"),  # Alibaba Cloud, Volcano Engine, UCloud
    *("100.100.100.100", "fd7a:115c:a1e0::53"),  # a program on this machine
    *("0.0.0.0", "0.1.2.3", "127.8.9.10", "255.255.255.255", "240.0.0.1", "224.0.0.251", "::", "::1"),  # noqa: S104
    *("ff02::1", "fec0::1", "fe80::1%eth0", "::127.0.0.1", "64:ff9b:1:a9fe:a9:fe00::", "64:ff9b:1:0:a9:fea9:fe00:0"),
    *("64:ff9b:1:a9:fe:a9fe::", "2001:0:1:2:3:4:5601:5601", "2001:db8::5efe:169.254.169.254"),
    "2001:db8::200:5efe:127.0.0.1",
)
"""Addresses that are this machine, its wire or a cloud's own, also as IPv6 holds them."""


@pytest.mark.parametrize(
    ("named", "address", "admitted"),
    [
        ("api.example.com", "93.184.216.34", True),
        ("api.example.com", "10.1.2.3", True),
        ("api.example.com", "127.0.0.1", False),
        ("api.example.com", "::1", False),
        ("api.example.com", "::ffff:127.0.0.1", False),
        ("api.example.com", "169.254.169.254", False),
        ("api.example.com", "fe80::1", False),
        ("api.example.com", "0.0.0.0", False),  # noqa: S104 - an address that nobody may name
        ("*.example.com", "93.184.216.34", True),
        ("*.example.com", "10.1.2.3", False),
        ("*.example.com", "192.168.1.1", False),
        ("localhost", "127.0.0.1", True),
        ("localhost", "::1", True),
        ("localhost", "10.1.2.3", False),
        ("127.0.0.1", "127.0.0.1", True),
        ("169.254.169.254", "169.254.169.254", True),
        ("10.1.2.3", "10.1.2.4", False),
        ("api.example.com", "rubbish", False),
        ("api.example.com", "::127.0.0.1", False),
        ("api.example.com", "64:ff9b::169.254.169.254", False),
        ("api.example.com", "64:ff9b:1::127.0.0.1", False),
        ("api.example.com", "2002:a9fe:a9fe::1", False),
        ("api.example.com", "::ffff:0:127.0.0.1", False),
        ("api.example.com", "fd00:ec2::254", False),
        *(("api.example.com", each, False) for each in CLOUDS_OWN),
        ("168.63.129.16:80", "168.63.129.16", True),
        ("api.example.com", "100.64.1.2", True),
        ("*.example.com", "100.64.1.2", False),
        ("*.example.com", "2001:0:5ef5:79fd:0:0:f5ff:fefd", False),
        ("[fd00:ec2::254]:80", "fd00:ec2::254", True),
        ("api.example.com", "64:ff9b::10.1.2.3", True),
        ("*.example.com", "64:ff9b::10.1.2.3", False),
        ("*.example.com", "64:ff9b::93.184.216.34", True),
    ],
)
def test_a_name_may_not_mean_this_machine_or_its_wire(named: str, address: str, admitted: bool) -> None:
    assert read_destination(named).admits(address) is admitted


def test_a9_an_address_of_this_machine_is_reached_only_when_it_is_named() -> None:
    assert not read_destination("api.example.com").admits("10.1.2.3", is_own=True)
    assert not read_destination("*.example.com").admits("93.184.216.34", is_own=True)
    assert read_destination("10.1.2.3:8080").admits("10.1.2.3", is_own=True)


def test_the_most_exact_destination_decides_about_addresses() -> None:
    named = [read_destination("*.corp.example"), read_destination("llm.corp.example")]
    found = find_destination(named, "llm.corp.example", 443)
    assert found is not None
    assert found.admits("10.0.0.1")


@pytest.mark.parametrize(
    "request_",
    [
        EgressRequest(),
        EgressRequest(destinations=("a.example",), to="b.example"),
        EgressRequest(to="*.example.com"),
        EgressRequest(to="*.example.com:443"),
        EgressRequest(to="a.example"),
        EgressRequest(to="[::1]"),
        EgressRequest(destinations=("a.example",), port=0),
        EgressRequest(destinations=("a.example",), port=70000),
    ],
    ids=repr,
)
def test_a_request_that_makes_no_sense_is_refused(request_: EgressRequest) -> None:
    with pytest.raises(UsageProblem):
        check_request(request_)


def test_an_egress_that_is_given_both_ways_is_told_so() -> None:
    with pytest.raises(UsageProblem, match="but not both"):
        check_request(EgressRequest(destinations=("a.example",), to="b.example:80"))


def test_destinations_are_in_order_and_named_once() -> None:
    found = check_request(EgressRequest(destinations=("b.example", "A.example", "a.example:443")))
    assert list(map(str, found)) == ["a.example:443", "b.example:443"]


def test_the_proxy_of_this_machine_is_read_and_its_password_is_never_shown() -> None:
    upstream = read_upstream("http://me:s%40cret@proxy.corp:3128/", "internal.corp, .lan,10.0.0.7,other.example:8443")
    assert upstream is not None
    assert str(upstream) == "proxy.corp:3128"
    assert upstream.authorization is not None
    assert upstream.authorization.reveal() == "Basic bWU6c0BjcmV0"
    assert "cret" not in repr(upstream)
    assert MASK in repr(upstream)
    assert "s3cret" not in repr(EgressRequest(to="a.example", proxy="http://me:s3cret@proxy"))
    served = {
        ("api.example.com", 443): True,
        ("internal.corp", 443): False,
        ("x.internal.corp", 443): False,
        ("box.lan", 443): False,
        ("10.0.0.7", 443): False,
        ("other.example", 8443): False,
        ("other.example", 443): True,
        ("127.0.0.1", 443): False,
        ("localhost", 80): False,
        ("::1", 80): False,
    }
    assert {place: upstream.serves(*place) for place in served} == served
    everywhere = read_upstream("proxy:1", "*")
    assert everywhere is not None
    assert not everywhere.serves("api.example.com", 443)


@pytest.mark.parametrize("url", ["socks5://proxy:1080", "https://proxy", "http://", "http://proxy:port"])
def test_a_proxy_that_cannot_be_used_is_refused_rather_than_passed_by(url: str) -> None:
    with pytest.raises(ConfigProblem):
        read_upstream(url, None)


def test_no_proxy_is_none() -> None:
    assert read_upstream(None, None) is None
    assert read_upstream("", "x") is None


def test_numbers_that_some_take_for_addresses_are_no_names() -> None:
    assert [normal_host(text) for text in ("1", "0x1", "1.2.3", "a.0x7f", "127.0.0.01")] == [None] * 5
