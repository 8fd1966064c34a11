"""The seams: what remora needs from the world, and nothing about who provides it.

:mod:`remora.testing` has in-memory twins of the clock, the resolver, the dialler, the host and its streams, the sockets
and secrets of this machine, the way onward, and a person who answers by script. Every host, the twin too, passes one
contract suite (:mod:`remora.testing.contracts`).
"""

from remora.ports.carriage import Far, Line, Near
from remora.ports.hosts import ConfigReader, ConnectionFacts, Dialler, HostResolver, RemoteHost, ShellMemory
from remora.ports.machine import (
    Admit,
    Clock,
    EventSpool,
    LocalNetwork,
    LocalSockets,
    Onward,
    RunLog,
    RunLogs,
    SecretReader,
)
from remora.ports.packages import Package, PackageForm, PackagePart, Packages, Parcel, Platform
from remora.ports.people import (
    ApprovalHandler,
    Dialogue,
    HostKeyAnswer,
    HostKeyQuestion,
    SecretQuestion,
    TrustHandler,
    TrustMemory,
    TrustQuestion,
)
from remora.ports.streams import ByteStream, ExitStatus, PromptStream, RemoteProcess, Visitor
from remora.ports.world import World

__all__ = [
    "Admit",
    "ApprovalHandler",
    "ByteStream",
    "Clock",
    "ConfigReader",
    "ConnectionFacts",
    "Dialler",
    "Dialogue",
    "EventSpool",
    "ExitStatus",
    "Far",
    "HostKeyAnswer",
    "HostKeyQuestion",
    "HostResolver",
    "Line",
    "LocalNetwork",
    "LocalSockets",
    "Near",
    "Onward",
    "Package",
    "PackageForm",
    "PackagePart",
    "Packages",
    "Parcel",
    "Platform",
    "PromptStream",
    "RemoteHost",
    "RemoteProcess",
    "RunLog",
    "RunLogs",
    "SecretQuestion",
    "SecretReader",
    "ShellMemory",
    "TrustHandler",
    "TrustMemory",
    "TrustQuestion",
    "Visitor",
    "World",
]
