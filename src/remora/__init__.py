"""remora: attach coding-agent sessions to any SSH host.

The library in a few verbs; importing it loads nothing heavy. What they yield and raise is documented where it
is defined: documents in :mod:`remora.wire.reports`, errors in :mod:`remora.core.errors`, handlers in
:mod:`remora.ports`.
"""

from remora.api import (
    check,
    connect,
    connect_hosts,
    disconnect_hosts,
    hold_hosts,
    hub_status,
    interrupt_switch,
    interrupt_thread,
    list_hosts,
    load_manifest,
    load_settings,
    plan,
    provision,
    resolve_hosts,
    run,
    run_request,
    score,
    start_hub,
    status,
    stop_hub,
    watch_status,
)
from remora.core.approvals import ApprovalRequest, Choice, Decision
from remora.core.errors import Code, ExitCode, RemoraError, Stage, Verdict
from remora.core.settings import Limits, Settings

__all__ = [
    "ApprovalRequest",
    "Choice",
    "Code",
    "Decision",
    "ExitCode",
    "Limits",
    "RemoraError",
    "Settings",
    "Stage",
    "Verdict",
    "check",
    "connect",
    "connect_hosts",
    "disconnect_hosts",
    "hold_hosts",
    "hub_status",
    "interrupt_switch",
    "interrupt_thread",
    "list_hosts",
    "load_manifest",
    "load_settings",
    "plan",
    "provision",
    "resolve_hosts",
    "run",
    "run_request",
    "score",
    "start_hub",
    "status",
    "stop_hub",
    "watch_status",
]
