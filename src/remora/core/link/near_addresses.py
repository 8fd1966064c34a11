"""Addresses that a name must not stand for: this machine, what is on its wire, and a cloud's own."""

import ipaddress
from collections.abc import Iterator
from typing import Final, TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_NEAR: Final = tuple(
    map(
        ipaddress.ip_network,
        (
            "0.0.0.0/8",  # this machine, to Linux
            "100.80.80.80/32",  # UCloud
            "100.96.0.96/32",  # Volcano Engine
            "100.100.100.100/32",  # the resolver and the page of Tailscale on this machine
            "100.100.100.200/32",  # Alibaba Cloud's credentials
            "127.0.0.0/8",
            "168.63.129.16/32",  # Azure's own, in each of its networks
            "169.254.0.0/16",  # the wire; credentials of most clouds
            "192.0.0.0/24",  # assigned by the IETF; Oracle Cloud's credentials
            "224.0.0.0/4",
            "240.0.0.0/4",
            "::/127",
            "fd00:42::/32",  # Scaleway
            "fd00:a9fe:a9fe::/48",  # Linode
            "fd00:c1::/32",  # Oracle Cloud
            "fd00:ec2::/32",  # Amazon
            "fd20:ce::/32",  # Google
            "fd7a:115c:a1e0::53/128",  # Tailscale, as above
            "fe80::/10",
            "fec0::/10",
            "ff00::/8",
        ),
    )
)
_EMBEDDING: Final = tuple(
    (ipaddress.IPv6Network(network), sizes)
    for network, sizes in (
        ("::/96", (96,)),
        ("::ffff:0:0:0/96", (96,)),
        ("64:ff9b::/96", (96,)),
        ("64:ff9b:1::/48", (48, 56, 64, 96)),
    )
)
"""Networks whose addresses hold one of IPv4 behind a prefix of one of these sizes, for translators (RFC 6052)."""
_SIX_TO_FOUR: Final = ipaddress.IPv6Network("2002::/16")
_TEREDO: Final = ipaddress.IPv6Network("2001::/32")
_ISATAP: Final = frozenset({0x5EFE, 0x02005EFE})


def read_address(text: str) -> Address | None:
    """An address as it is meant: one of IPv4 that IPv6 holds as it is becomes that. Nothing with a zone is read."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        return address.ipv4_mapped or (None if address.scope_id else address)
    return address


def is_near(address: Address) -> bool:
    """Whether it, or one of IPv4 that it holds, is this machine, on its wire, or a cloud's own."""
    return any(each in network for each in _meant(address) for network in _NEAR)


def is_public(address: Address) -> bool:
    """Whether it, and each of IPv4 that it holds, is one of the internet."""
    return all(each.is_global for each in _meant(address))


def _meant(address: Address) -> tuple[Address, ...]:
    return (address, *_held(address)) if isinstance(address, ipaddress.IPv6Address) else (address,)


def _held(address: ipaddress.IPv6Address) -> Iterator[ipaddress.IPv4Address]:
    number = int(address)
    for network, sizes in _EMBEDDING:
        if address in network:
            for size in sizes:
                yield _behind(number, size)
    if address in _SIX_TO_FOUR:
        yield ipaddress.IPv4Address(number >> 80 & 0xFFFFFFFF)
    if address in _TEREDO:
        yield ipaddress.IPv4Address(~number & 0xFFFFFFFF)
    if number >> 32 & 0xFFFFFFFF in _ISATAP:
        yield ipaddress.IPv4Address(number & 0xFFFFFFFF)


def _behind(number: int, size: int) -> ipaddress.IPv4Address:
    """The address behind a prefix of `size` bits; bits 64 to 71 are left out."""
    bits = f"{number:0128b}"
    found = bits[size:] if size > 64 else bits[size:64] + bits[72:]
    return ipaddress.IPv4Address(int(found[:32], 2))
