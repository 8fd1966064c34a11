"""The library in a few verbs. What a verb needs is imported when it is called: importing this costs nothing."""

from remora.api.forwards import list_forwards, open_egress, open_forward, stop_forward
from remora.api.hosts import check, list_hosts, load_settings, plan, resolve_hosts
from remora.api.hub import hub_log, hub_status, start_hub, stop_hub
from remora.api.links import (
    bridge,
    connect,
    connect_hosts,
    disconnect_hosts,
    hold_hosts,
    hub_link,
    serve_door,
    status,
    watch_status,
)
from remora.api.login import login, login_status, read_secret
from remora.api.provision import (
    codex_specs,
    emit_provisioning,
    load_manifest,
    manifest_example,
    manifest_schema,
    provision,
)
from remora.api.runs import interrupt_switch, is_first_warning, run, run_request
from remora.api.scores import score
from remora.api.threads import interrupt_thread
from remora.api.trust import list_trust, revoke_trust
from remora.api.waits import wait_for_hosts

__all__ = [
    "bridge",
    "check",
    "codex_specs",
    "connect",
    "connect_hosts",
    "disconnect_hosts",
    "emit_provisioning",
    "hold_hosts",
    "hub_link",
    "hub_log",
    "hub_status",
    "interrupt_switch",
    "interrupt_thread",
    "is_first_warning",
    "list_forwards",
    "list_hosts",
    "list_trust",
    "load_manifest",
    "load_settings",
    "login",
    "login_status",
    "manifest_example",
    "manifest_schema",
    "open_egress",
    "open_forward",
    "plan",
    "provision",
    "read_secret",
    "resolve_hosts",
    "revoke_trust",
    "run",
    "run_request",
    "score",
    "serve_door",
    "start_hub",
    "status",
    "stop_forward",
    "stop_hub",
    "wait_for_hosts",
    "watch_status",
]
