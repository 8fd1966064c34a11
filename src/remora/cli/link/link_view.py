"""Links as a person reads them: how they are, and what became of them."""

import time
from collections.abc import Callable, Sequence
from typing import Final

from rich.text import Text

from remora.cli.draw.failure import show_advice, show_failure
from remora.cli.draw.page import Page, remote
from remora.core.errors import Code
from remora.core.link.links import Liveness
from remora.core.server.markers import Readiness, describe_marker
from remora.core.settings import ReconnectPolicy
from remora.wire.reports.links import (
    DisconnectReport,
    EgressBody,
    HubReport,
    LinkBody,
    StatusReport,
)

_STYLES: Final = {
    "live": "green",
    "connecting": "yellow",
    "reconnecting": "yellow",
    "suspended": "dim",
    "needs-human": "bold red",
    "unreachable": "red",
    "stopped": "dim",
}
_GAP: Final = "  "


def show_links(page: Page, report: StatusReport, *, alias: str | None, verbosity: int) -> None:
    """Print how the links are: one with all that is known, or a table of all."""
    if alias is not None and report.links:
        for link in report.links:
            _show_link(page, link, verbosity=verbosity)
        return
    for line in report_lines(page, report, alias):
        page.whole_line(line)
    for link in report.links:
        if link.error is None or verbosity < 0:
            continue
        if words := outlook(link):
            page.line(remote(f"{link.host} is {words}"))
        else:
            show_failure(page, link.error)


def egress_line(body: EgressBody) -> str:
    """Where one port of a host leads."""
    if body.port is None:
        where = f"port {body.wanted} of {body.host} (not open{'' if body.error is None else f': {body.error.message}'})"
    elif body.port != body.wanted:
        where = f"port {body.port} of {body.host} (port {body.wanted} was taken)"
    else:
        where = f"port {body.port} of {body.host}"
    users = f"  ({body.clients} connected)" if body.clients else ""
    trouble = f"  ({body.refused} refused, last: {body.trouble})" if body.refused else ""
    return f"{where}  ->  {', '.join(body.destinations)}{users}{trouble}"


def egress_advice(body: EgressBody) -> list[str]:
    """What to set on the host, as lines to copy, who may use it, and how long it lasts."""
    another = "" if body.shape == "direct" or not body.password else ", with another password"
    lasting = (
        f"It ends with the link or the hub. Run the same command with --port {body.port} to open it again{another}."
    )
    if body.shape == "direct":
        return [
            f"Use 127.0.0.1:{body.port} on the host; for codex, in [model_providers.NAME] of its config.toml:",
            f'  base_url = "http://127.0.0.1:{body.port}/v1"',
            "Every account of the host can use it, because a direct port has no password.",
            lasting,
        ]
    return [
        "Set on the host, in ~/.codex/.env for codex (read when its app server starts) or in a program's environment:",
        f"  HTTPS_PROXY={body.url}",
        f"  HTTP_PROXY={body.url}",
        lasting,
    ]


def show_disconnected(results: Page, activity: Page, report: DisconnectReport, *, quiet: bool) -> None:
    """Print what became of each link and server."""
    servers = {"stopped": "; its app server was stopped", "absent": "; no app server ran there"}
    for result in report.hosts:
        if result.error is not None:
            show_failure(activity, result.error)
        elif not quiet:
            words = "is disconnected" if result.changed else "had no link"
            results.line(remote(result.host, "bold").append(f" {words}{servers.get(result.server, '')}"))
    if not report.hosts and not quiet:
        results.line("No links.")


def show_hub_state(page: Page, report: HubReport, *, done: str) -> None:
    """Print whether the hub runs, and which it is."""
    hub = report.hub
    if not hub.running:
        page.line(f"The hub {done or 'does not run'}.")
        return
    page.line(Text.assemble("The hub ", (done or "runs", "green" if done != "" else ""), "."))
    links = f"{report.links} link{'' if report.links == 1 else 's'}"
    since = "" if hub.since is None else _ago(hub.since)
    rows = (("version", hub.version), ("process", hub.pid), ("since", since), ("holds", links), ("socket", hub.socket))
    for label, value in (*rows, ("log", hub.log)):
        if value:
            page.whole_line(label_of(label).append_text(remote(str(value), one_line=True)))


def report_lines(page: Page, report: StatusReport, alias: str | None) -> list[Text]:
    """A table of all links, or a word about there being none."""
    if report.links:
        return _table(report.links, page.width if page.terminal else None)
    if alias is not None:
        name = remote(alias, "bold")
        return [Text.assemble("No link to ", name, ". Make one with: remora connect ", remote(alias))]
    how = "No links." if report.hub.running else "No links; the hub does not run."
    return [Text(f"{how} Make one with: remora connect ALIAS")]


def _table(links: Sequence[LinkBody], width: int | None) -> list[Text]:
    """A row for each link, with as many columns as there is room for; the first ones always."""
    columns = [[Text(title, style="bold"), *map(cell, links)] for title, cell in _COLUMNS]
    shown: list[list[Text]] = []
    used = 0
    for column in columns:
        if not any(cell.plain for cell in column[1:]):
            continue
        wide = max(cell.cell_len for cell in column)
        if width is not None and used + wide > width and len(shown) > 1:
            break
        shown.append(column)
        used += wide + len(_GAP)
    widths = [max(cell.cell_len for cell in column) for column in shown]
    if width is not None and len(shown) > 1 and sum(widths) + len(_GAP) * (len(widths) - 1) > width:
        widths[0] = max(width - sum(widths[1:]) - len(_GAP) * (len(widths) - 1), 8)
    rows = zip(*shown, strict=True)
    return [_row(row, widths) for row in rows]


def _row(cells: Sequence[Text], widths: Sequence[int]) -> Text:
    line = Text()
    for cell, width in zip(cells, widths, strict=True):
        fitted = cell.copy()
        fitted.truncate(width, overflow="ellipsis", pad=True)
        line.append_text(fitted).append(_GAP)
    line.rstrip()
    return line


def _show_link(page: Page, link: LinkBody, *, verbosity: int) -> None:
    state = Text.assemble((_state(link), style_of(link)), (f" for {_ago(link.since)}", "dim"))
    page.line(Text.assemble(remote(link.host, "bold"), " is ", state))
    also = [alias for alias in link.aliases if alias != link.host]
    rows = (
        ("account", _place(link)),
        ("also", ", ".join(also)),
        ("server", server_of(link)),
        ("codex", link.codex_path or ""),
        ("through", link.byte_path or ""),
        ("provision", _provision(link)),
        ("policy", link.policy if verbosity >= 0 else ""),
        ("clients", str(link.clients)),
        ("breaks", str(link.breaks) if link.breaks else ""),
        ("next try", _until(link.next_attempt)),
        ("config", link.ssh_config or ""),
    )
    for label, value in rows:
        if value:
            page.line(remote(value, one_line=True), prefix=label_of(label))
    page.whole_line(label_of("socket").append_text(remote(link.socket)))
    for thread in link.active_threads:
        words = remote(thread.name or thread.thread_id, one_line=True)
        page.line(
            words.append("  waits for an approval" if thread.waits_for_approval else ""), prefix=label_of("thread")
        )
    for forward in link.forwards:
        page.line(f"{forward.remote_port} at localhost:{forward.local_port}", prefix=label_of("port"))
    for egress in link.egresses:
        page.line(remote(egress_line(egress), one_line=True), prefix=label_of("egress"))
    for notice in link.notices:
        page.line(remote(notice.message, "yellow"), prefix=Text("! ", style="yellow"))
    if link.error is None:
        return
    page.line(remote(f"{link.error.message} [{link.error.code}]"), prefix=Text("  last error: ", style="bold"))
    if rests := outlook(link):
        page.line(remote(rests))
    else:
        show_advice(page, link.error)


def label_of(label: str) -> Text:
    """What stands before a value."""
    return Text.assemble((f"  {label:<10}", "dim"))  # a style of its own, which what is appended does not inherit


def style_of(link: LinkBody) -> str:
    """How alive it is, as a colour."""
    return "yellow" if link.stalled_since is not None else _STYLES.get(link.liveness, "")


def _state(link: LinkBody) -> str:
    outdated = any(notice.code == Code.ALIAS_CHANGED for notice in link.notices)
    return f"{link.liveness}{', stalled' * (link.stalled_since is not None)}{', outdated' * outdated}"


def server_of(link: LinkBody) -> str:
    """Its app server in words."""
    parts = (link.server_version, link.launch_mode, link.server_owner and f"({link.server_owner})")
    return " ".join(part for part in parts if part)


def outlook(link: LinkBody) -> str:
    """Why a link rests although nothing is wrong with it, and what brings it back; nothing for any other link."""
    if link.liveness != Liveness.SUSPENDED or link.error is None:
        return ""
    connect = f"remora connect {link.host}"
    if link.error.code == Code.HOST_LEFT:
        return f"suspended: the host ended the connection. Connect again with: {connect}"
    if link.policy == ReconnectPolicy.NEVER:
        return f'suspended: the connection was lost and reconnect is "never". Connect again with: {connect}'
    return (
        f"suspended: the connection was lost while no client used it. The next client reconnects it, or run: {connect}"
    )


def trouble(link: LinkBody, width: int) -> Text:
    """What is wrong with a link, on one line."""
    words = "" if link.error is None else f"{link.host}: {link.error.message} [{link.error.code}]"
    rests = outlook(link)
    line = remote(f"{link.host} is {rests}" if rests else words, "dim" if rests else "red", one_line=True)
    line.truncate(width, overflow="ellipsis")
    return line


def _threads(link: LinkBody) -> Text:
    active, waiting = len(link.active_threads), link.waiting_approvals
    words = Text(f"{active} active" if active else "")
    if waiting:
        words.append(", " if active else "").append(f"{waiting} wait{'s' if waiting == 1 else ''}", style="bold yellow")
    return words


def _provision(link: LinkBody) -> str:
    """What its ready marker says; nothing for a host that was never provisioned."""
    if link.provisioned is None or link.provisioned.readiness is Readiness.NEVER:
        return ""
    return describe_marker(link.provisioned)


def _unready(link: LinkBody) -> Text:
    """The same in a word, where that is not ready."""
    said = link.provisioned
    if said is None or said.readiness in (Readiness.NEVER, Readiness.READY):
        return Text()
    step = f" {said.step}/{said.steps}" if said.step is not None and said.steps is not None else ""
    return Text(f"{said.readiness}{step}", style="red" if said.readiness == Readiness.FAILED else "yellow")


def _place(link: LinkBody) -> str:
    """Where it leads: as its name meant, or as the connection was made."""
    return link.leads_to or (f"{link.user}@{link.hostname}" if link.user and link.hostname else "")


_Cell = Callable[[LinkBody], Text]
_COLUMNS: Final[tuple[tuple[str, _Cell], ...]] = (
    ("HOST", lambda link: remote(", ".join([link.host, *(a for a in link.aliases if a != link.host)]), one_line=True)),
    ("STATE", lambda link: Text(_state(link), style=style_of(link))),
    ("FOR", lambda link: Text(_ago(link.since))),
    ("NEXT TRY", lambda link: Text(_until(link.next_attempt))),
    ("THREADS", _threads),
    ("PROVISION", _unready),
    ("SERVER", lambda link: remote(f"{link.server_version or ''} {link.launch_mode or ''}".strip(), one_line=True)),
    ("CLIENTS", lambda link: Text(str(link.clients) if link.clients else "")),
    ("THROUGH", lambda link: Text(link.byte_path or "")),
    ("ACCOUNT", lambda link: remote(_place(link), "dim", one_line=True)),
)


def _ago(since: float) -> str:
    return _duration(max(time.time() - since, 0))


def _until(when: float | None) -> str:
    return "" if when is None else f"in {_duration(max(when - time.time(), 0))}"


def _duration(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"
