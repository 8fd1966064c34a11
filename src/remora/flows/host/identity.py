"""What machine a connection leads to, from its key and from what the host says of itself."""

from remora.core.link.links import HostIdentity
from remora.core.server.probes import HostFacts
from remora.ports import ConnectionFacts


def identity_of(connection: ConnectionFacts, facts: HostFacts) -> HostIdentity:
    """The machine and account behind a connection."""
    return HostIdentity(
        host_key_fingerprint=connection.host_key_fingerprint,
        machine_id=facts.machine_id,
        boot_id=facts.boot_id,
        account=facts.account,
        codex_home=facts.codex_home,
        node=facts.node,
    )
