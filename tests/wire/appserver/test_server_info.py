"""What is believed of an app server's own description."""

import pytest

from remora.wire.appserver.calls import read_server_info


@pytest.mark.parametrize(
    ("agent", "version"),
    [
        ("remora/0.169.0 (Debian 12; x86_64) xterm", "0.169.0"),
        ("remora/0.170.0-alpha.2+build_1 (x)", "0.170.0-alpha.2+build_1"),
        ("remora", None),
        ("", None),
        ("remora/ (x)", None),
        ("remora/\x1b]0;owned\x07", None),
        ("remora/1.2.3\x1b[2J\u202e", "1.2.3"),
        ("remora/1." + "9" * 10_000_000, "1." + "9" * 98),
    ],
)
def test_a_version_is_a_short_plain_word(agent: str, version: str | None) -> None:
    assert read_server_info({"userAgent": agent}).version == version
