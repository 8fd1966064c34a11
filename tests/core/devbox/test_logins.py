"""Records of logins, and the day on which a secret ends."""

import json
from base64 import urlsafe_b64encode
from dataclasses import replace
from datetime import date

import pytest

from remora.core.devbox.logins import (
    LoginRecord,
    SignInProof,
    digest_secret,
    expiry_notice,
    login_ending,
    read_record,
    secret_end,
)
from remora.core.secrets import Secret

KEY = Secret("sk-1")
RECORD = LoginRecord(
    salt="abc", digest=digest_secret("abc", KEY), kind="api-key", stamp="64 1.5 1.6 77", proof=SignInProof.OK
)


@pytest.mark.parametrize("expires", [None, date(2027, 1, 31)])
def test_a_record_comes_back_from_its_file_and_holds_its_secret_alone(expires: date | None) -> None:
    noted = replace(RECORD, expires=expires)
    read = read_record(noted.text())
    assert read == noted
    assert read.holds(KEY)
    assert not read.holds(Secret("sk-2"))
    assert "sk-1" not in noted.text()


@pytest.mark.parametrize("text", ["", "stamp=1 2 3 4\n", "salt\ndigest", "\0\xff", RECORD.text().replace("ok", "fine")])
def test_what_is_no_record_is_none(text: str) -> None:
    assert read_record(text) is None


@pytest.mark.parametrize(
    ("day", "words"),
    [(1, "expired on"), (10, "expires today"), (11, "expires tomorrow"), (17, "in 7 days"), (18, None), (30, None)],
)
def test_the_end_of_a_secret_is_told_a_week_ahead(day: int, words: str | None) -> None:
    notice = expiry_notice(date(2027, 1, day), date(2027, 1, 10))
    assert (words is None) == (notice is None)
    assert (words or "") in (notice or "")


@pytest.mark.parametrize("said", [None, "", "soon", "9999999-01-01"])
def test_a_day_that_a_host_made_up_is_no_day(said: str | None) -> None:
    assert login_ending(said, 1_800_000_000.0) is None


def token(claims: object) -> Secret:
    return Secret("h." + urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=") + ".s")


def test_a_signed_token_tells_its_end() -> None:
    assert secret_end(token({"exp": 1893456000})) == date(2030, 1, 1)


@pytest.mark.parametrize("claims", [{}, {"exp": "soon"}, {"exp": 1e300}, {"exp": None}, [], "x"])
def test_a_token_that_tells_no_end_has_none(claims: object) -> None:
    assert secret_end(token(claims)) is None


@pytest.mark.parametrize("value", ["sk-1", "at-1", "a.b.c", "a.\udcff.c", "..", "a.W10.c", "", f"a.{'W' * 4000}.c"])
def test_what_is_no_signed_token_has_no_end(value: str) -> None:
    assert secret_end(Secret(value)) is None
