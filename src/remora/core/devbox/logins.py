"""The login of codex on a host: what we noted of it, and what a real request can say of it."""

import json
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from hashlib import sha256
from typing import Final

from remora.core.secrets import Secret

WARNING_DAYS: Final = 7
"""An end of the secret that is nearer than this is worth a notice."""


class SignInProof(StrEnum):
    """What a real request with the login said."""

    OK = "ok"
    REFUSED = "refused"
    """The endpoint, or whoever renews the login, refused it."""
    MISSING = "missing"
    """codex is not signed in."""
    UNUSED = "unused"
    """The model provider of the configuration takes no login of codex."""
    UNPROVEN = "unproven"
    """No answer that tells: offline, a proxy, another fault, or the time was up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginProof:
    """`detail` is codex's own word (remote text, raw); `account` its kind of account, `None` when it names none."""

    proof: SignInProof
    detail: str = ""
    account: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginRecord:
    """What we noted when we signed codex in. It tells whether a secret is the same without holding it.

    `stamp` is the digest of auth.json as we left it; codex or a person who signs in anew changes it. Another machine of
    the same home that signs in with the same secret does not.
    """

    salt: str
    digest: str
    kind: str
    stamp: str
    proof: SignInProof
    expires: date | None = None

    def holds(self, secret: Secret) -> bool:
        """Whether `secret` is the one that was sent."""
        return self.digest == digest_secret(self.salt, secret)

    def text(self) -> str:
        """The record as lines of a file."""
        return "".join(f"{name}={value}\n" for name, value in _fields(self).items())


def digest_secret(salt: str, secret: Secret) -> str:
    """The SHA-256 of salt and secret, in hexadecimal."""
    return sha256(f"{salt}{secret.reveal()}".encode("utf-8", "surrogateescape")).hexdigest()


def _fields(record: LoginRecord) -> dict[str, str]:
    return {
        "salt": record.salt,
        "digest": record.digest,
        "kind": record.kind,
        "expires": record.expires.isoformat() if record.expires else "",
        "stamp": record.stamp,
        "proof": record.proof.value,
    }


def read_record(text: str) -> LoginRecord | None:
    """A record from its file; `None` when there is none or it cannot be read: then the login is done anew."""
    values = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    try:
        return LoginRecord(
            salt=values["salt"],
            digest=values["digest"],
            kind=values["kind"],
            stamp=values["stamp"],
            proof=SignInProof(values["proof"]),
            expires=date.fromisoformat(values["expires"]) if values["expires"] else None,
        )
    except (KeyError, ValueError):
        return None


def secret_end(secret: Secret) -> date | None:
    """The day on which `secret` ends, where it says so itself as a signed token (JWT) does; no signature is checked."""
    parts = secret.reveal().strip().split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return datetime.fromtimestamp(claims["exp"], tz=UTC).date()
    except (ValueError, KeyError, TypeError, OverflowError, OSError, RecursionError):
        return None


def read_day(text: str | None) -> date | None:
    """A day as a host says it; `None` for what is none."""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        return None


def expiry_notice(expires: date | None, today: date | None) -> str | None:
    """What to say of a secret that has ended or will soon; `None` while it lasts, and where nobody knows the day."""
    if expires is None or today is None or (expires - today).days > WARNING_DAYS:
        return None
    days = (expires - today).days
    if days < 0:
        return f"The secret of codex's login expired on {expires.isoformat()}: renew it."
    when = "today" if days == 0 else ("tomorrow" if days == 1 else f"in {days} days")
    return f"The secret of codex's login expires {when}, on {expires.isoformat()}: renew it."


def login_ending(expires: str | None, now: float) -> str | None:
    """The notice for a day as it was noted on a host; `now` is seconds since 1970. `None` for what is no day."""
    try:
        return expiry_notice(read_day(expires), datetime.fromtimestamp(now, tz=UTC).date())
    except (ValueError, OverflowError, OSError):
        return None
