"""One host of a manifest with everything filled in: what provisioning works from."""

from dataclasses import dataclass

from remora.wire.manifest import HostTables


@dataclass(frozen=True, slots=True)
class HostSpec:
    """What `alias` is to be.

    In `tables` all blocks are merged, variables filled and files beside the manifest read into `content`; paths on
    this machine are absolute. `digest` is that of `tables` without where secrets come from; it is the same on every
    machine.
    """

    alias: str
    tables: HostTables
    digest: str
