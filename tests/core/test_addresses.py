"""What a person types to name a place."""

import pytest

from remora.core.errors import UsageProblem
from remora.core.host.hosts import Address, parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("devbox", Address("devbox")),
        ("devbox:~/proj", Address("devbox", folder="~/proj")),
        ("devbox/01a2", Address("devbox", thread="01a2")),
        ("devbox:/srv/a:b", Address("devbox", folder="/srv/a:b")),
        ("::1", Address("::1")),
        ("[::1]", Address("::1")),
        ("[2001:db8::2]:~/proj", Address("2001:db8::2", folder="~/proj")),
        ("2001:db8::2/01a2", Address("2001:db8::2", thread="01a2")),
        ("[::1]/01a2", Address("::1", thread="01a2")),
    ],
)
def test_an_address_has_an_alias_and_perhaps_a_folder_or_a_thread(text: str, address: Address) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["", "-oProxyCommand=x", "[devbox]", "[::1", "[::1]x", "a b", "::x::"])
def test_what_names_no_host_is_refused(text: str) -> None:
    with pytest.raises(UsageProblem):
        parse_address(text)
