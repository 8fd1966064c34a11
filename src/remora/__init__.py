"""remora: attach coding-agent sessions to any SSH host.

The library in a few verbs; importing it loads nothing heavy. What they yield and raise is documented where it
is defined: documents in :mod:`remora.wire.reports`, errors in :mod:`remora.core.errors`, handlers in
:mod:`remora.ports`.
"""

TYPE_CHECKING = False  # typing is not loaded for it: signals are heard before anything else is
if TYPE_CHECKING:
    from typing import Any

    from remora.api import (  # type: ignore[no-redef]  # mypy also sees the module api.provision
        check,
        connect,
        connect_hosts,
        disconnect_hosts,
        hub_status,
        interrupt_switch,
        interrupt_thread,
        list_forwards,
        list_hosts,
        list_trust,
        load_manifest,
        load_settings,
        login,
        login_status,
        open_egress,
        open_forward,
        plan,
        provision,
        resolve_hosts,
        revoke_trust,
        run,
        run_request,
        score,
        start_hub,
        status,
        stop_forward,
        stop_hub,
        wait_for_hosts,
        watch_status,
    )
    from remora.core.approval.request import ApprovalRequest, Choice, Decision
    from remora.core.errors import Code, ExitCode, RemoraError, Stage, Verdict
    from remora.core.settings import Limits, Settings
    from remora.ports import ApprovalHandler, Dialogue, TrustHandler

__all__ = [
    "ApprovalHandler",
    "ApprovalRequest",
    "Choice",
    "Code",
    "Decision",
    "Dialogue",
    "ExitCode",
    "Limits",
    "RemoraError",
    "Settings",
    "Stage",
    "TrustHandler",
    "Verdict",
    "check",
    "connect",
    "connect_hosts",
    "disconnect_hosts",
    "hub_status",
    "interrupt_switch",
    "interrupt_thread",
    "list_forwards",
    "list_hosts",
    "list_trust",
    "load_manifest",
    "load_settings",
    "login",
    "login_status",
    "open_egress",
    "open_forward",
    "plan",
    "provision",
    "resolve_hosts",
    "revoke_trust",
    "run",
    "run_request",
    "score",
    "start_hub",
    "status",
    "stop_forward",
    "stop_hub",
    "wait_for_hosts",
    "watch_status",
]

_PLACES = {
    "remora.core.approval.request": ("ApprovalRequest", "Choice", "Decision"),
    "remora.core.errors": ("Code", "ExitCode", "RemoraError", "Stage", "Verdict"),
    "remora.core.settings": ("Limits", "Settings"),
    "remora.ports": ("ApprovalHandler", "Dialogue", "TrustHandler"),
}


def __getattr__(name: str) -> "Any":
    """Load what is asked for, when it is asked for."""
    from importlib import import_module

    if name not in __all__:
        raise AttributeError(f"module 'remora' has no attribute {name!r}")
    place = next((place for place, names in _PLACES.items() if name in names), "remora.api")
    value = globals()[name] = getattr(import_module(place), name)
    return value
