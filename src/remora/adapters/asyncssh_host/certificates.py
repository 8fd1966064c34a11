"""What is wrong with a certificate of the user's, which a host that refuses it does not tell."""

import time
from datetime import UTC, datetime

from asyncssh.public_key import CERT_TYPE_USER, KeyImportError, SSHOpenSSHCertificate, decode_ssh_certificate

_FORMAT = "%Y-%m-%d %H:%M UTC"


def certificate_fault(data: bytes, user: str) -> str | None:
    """Why a host would refuse the certificate `data` for `user`; `None` when nothing can be seen from here.

    A host may map the names in a certificate to users in its own way, so this is no reason not to offer it.
    """
    try:
        certificate = decode_ssh_certificate(data)
    except KeyImportError:
        return None
    if not isinstance(certificate, SSHOpenSSHCertificate):
        return None
    name = f"the certificate {certificate._key_id!r}"  # noqa: SLF001 - asyncssh has no public name for these
    now, begin, end = time.time(), certificate._valid_after, certificate._valid_before  # noqa: SLF001
    if certificate._cert_type != CERT_TYPE_USER:  # noqa: SLF001
        return f"{name} is a host certificate, not a user certificate"
    if now >= end:
        return f"{name} expired on {_date(end)}"
    if now < begin:
        return f"{name} is not valid before {_date(begin)}"
    if user not in certificate.principals:
        return f"{name} is for {', '.join(certificate.principals) or 'no user by name'}, not for {user}"
    sources = certificate.options.get("source-address")
    if isinstance(sources, list):
        return f"{name} is valid only from {', '.join(str(source) for source in sources)}"
    return None


def _date(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime(_FORMAT)
