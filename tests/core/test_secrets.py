"""What gives access is not shown."""

import pytest

from remora.core.secrets import MASK, hide_in_addresses


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (
            "fatal: unable to access 'https://tok@example.com/x/': no",
            f"fatal: unable to access 'https://{MASK}@example.com/x/': no",
        ),
        ("https://me:tok@example.com", f"https://{MASK}@example.com"),
        ("ssh://git:tok@example.com/x", f"ssh://git:{MASK}@example.com/x"),
        ("ssh://git@example.com/x git@example.com:x", "ssh://git@example.com/x git@example.com:x"),
        ("https://example.com/a@b", "https://example.com/a@b"),
        ("see https://example.com and write to me@example.com", "see https://example.com and write to me@example.com"),
    ],
)
def test_addresses_lose_what_gives_access(said: str, shown: str) -> None:
    assert hide_in_addresses(said) == shown
