"""Links as a person reads them, at the widths that terminals have."""

import io
import os
import time

import pytest

from remora.cli.draw.page import Page
from remora.cli.link.link_view import show_disconnected, show_hub_state, show_links
from remora.cli.link.link_watch_view import ConnectView
from remora.core.server.markers import Marker, Readiness
from remora.wire.reports import ErrorBody, NoticeBody
from remora.wire.reports.links import (
    ActiveThread,
    ConnectResult,
    DisconnectReport,
    DisconnectResult,
    ForwardBody,
    HubBody,
    HubReport,
    LinkBody,
    StatusReport,
)

_PLAIN = {"LANG": "C.UTF-8", "NO_COLOR": "1", "TERM": "xterm"}
_ERROR = ErrorBody(
    code="connection-lost", stage="route", verdict="retry", message="The line\x1b[2J broke.", seen="", next="Wait."
)


class _Screen(io.StringIO):
    """A terminal of some width that remembers what it was sent."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        raise OSError


def _page(width: int) -> tuple[Page, _Screen]:
    screen = _Screen()
    return Page(screen, _PLAIN, width=width), screen


def _lines(screen: _Screen) -> list[str]:
    import re

    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.getvalue()).splitlines()


def _link(host: str = "devbox", **fields: object) -> LinkBody:
    usual: dict[str, object] = {
        "host": host,
        "aliases": [host],
        "ssh_config": None,
        "liveness": "live",
        "since": time.time() - 200,
        "socket": f"/run/user/1000/remora/links/{host}.sock",
        "policy": "while-active",
        "user": "me",
        "hostname": "devbox.example",
        "server_version": "0.169.0",
        "server_owner": "started by remora",
        "launch_mode": "detached",
        "byte_path": "relay",
    }
    return LinkBody(**{**usual, **fields})  # type: ignore[arg-type]


def _status(*links: LinkBody, running: bool = True) -> StatusReport:
    return StatusReport(hub=HubBody(running=running), links=list(links))


_BUSY = _link(
    active_threads=[ActiveThread(thread_id="t1", waits_for_approval=True, name="fix \x1b]0;it\x07")],
    waiting_approvals=1,
    clients=2,
)


@pytest.mark.parametrize(
    ("width", "columns"),
    [
        (40, ["HOST", "STATE", "FOR"]),
        (80, ["HOST", "STATE", "FOR", "THREADS", "SERVER", "CLIENTS"]),
        (120, ["HOST", "STATE", "FOR", "THREADS", "SERVER", "CLIENTS", "THROUGH", "ACCOUNT"]),
    ],
)
def test_the_table_has_as_many_columns_as_there_is_room_for(width: int, columns: list[str]) -> None:
    page, screen = _page(width)
    show_links(page, _status(_BUSY, _link("prod", liveness="reconnecting")), alias=None, verbosity=-1)
    title, busy, other = _lines(screen)
    assert title.split()[: len(columns)] == columns
    assert max(map(len, (title, busy, other))) <= width
    assert busy.startswith("devbox")
    if width >= 80:
        assert "1 active, 1 waits" in busy


def test_a_name_that_is_too_long_is_shortened_and_moves_nothing() -> None:
    page, screen = _page(40)
    show_links(page, _status(_link("x" * 60, liveness="needs-human")), alias=None, verbosity=-1)
    title, row = _lines(screen)
    assert len(row) <= 40
    assert row.index("needs-human") == title.index("STATE")
    assert "…" in row


def test_what_is_wrong_is_said_below_with_what_to_do() -> None:
    page, screen = _page(80)
    show_links(page, _status(_link(liveness="reconnecting", error=_ERROR)), alias=None, verbosity=0)
    shown = "\n".join(_lines(screen))
    assert "connection-lost" in shown
    assert "next:  Wait." in shown
    assert "\x1b[2J" not in screen.getvalue()


def test_one_link_tells_all_that_is_known() -> None:
    page, screen = _page(80)
    link = _link(
        aliases=["devbox", "box"],
        stalled_since=1.0,
        breaks=3,
        next_attempt=time.time() + 100,
        active_threads=_BUSY.active_threads,
        forwards=[ForwardBody(host="devbox", remote_port=3000, local_port=3001)],
        notices=[NoticeBody(code="x", message="Mind the gap.")],
        error=_ERROR,
        provisioned=Marker(readiness=Readiness.READY, digest="sha256:abc", since=None),
    )
    show_links(page, _status(link), alias="devbox", verbosity=0)
    shown = "\n".join(_lines(screen))
    for words in (
        "live, stalled for 3 min",
        "me@devbox.example",
        "  provision provisioned, manifest abc",
        "box",
        "0.169.0 detached (started by remora)",
        "relay",
        "3000 at localhost:3001",
        "waits for an approval",
        "Mind the gap.",
        "[connection-lost]",
        link.socket,
    ):
        assert words in shown
    assert "\x07" not in screen.getvalue()


@pytest.mark.parametrize(("running", "said"), [(True, "No links."), (False, "the hub does not run")])
def test_no_links_is_said(running: bool, said: str) -> None:
    page, screen = _page(80)
    show_links(page, _status(running=running), alias=None, verbosity=0)
    assert said in "\n".join(_lines(screen))
    show_links(page, _status(running=running), alias="box", verbosity=0)
    assert "No link to box." in "\n".join(_lines(screen))


def test_results_of_connecting_come_one_by_one() -> None:
    (results, shown), (activity, problems) = _page(80), _page(80)
    view = ConnectView(results, activity, ["devbox", "prod", "off"], json=False, verbosity=0)
    view.show(ConnectResult(host="devbox", ok=True, changed=True, link=_link()))
    view.show(ConnectResult(host="prod", ok=True, link=_link("prod")))
    view.show(ConnectResult(host="off", ok=False, error=_ERROR))
    view.follow(_status(_link(liveness="reconnecting", error=_ERROR)))
    text = "\n".join(_lines(shown))
    assert "devbox is live" in text
    assert "prod is live already, nothing changed" in text
    assert text.count("links/") == 2
    said = "\n".join(_lines(problems))
    assert "remora: The line" in said
    assert "devbox is reconnecting" in said
    assert view.under_way == []


def test_quiet_prints_the_socket_alone() -> None:
    (results, shown), (activity, _) = _page(40), _page(40)
    view = ConnectView(results, activity, ["devbox"], json=False, verbosity=-1)
    view.show(ConnectResult(host="devbox", ok=True, changed=True, link=_link()))
    assert shown.getvalue().split() == [_link().socket]


def test_ends_are_told() -> None:
    (results, shown), (activity, problems) = _page(80), _page(80)
    report = DisconnectReport(
        ok=False,
        exit_code=13,
        hosts=[
            DisconnectResult(host="a", ok=True, changed=True, server="stopped"),
            DisconnectResult(host="b", ok=True),
            DisconnectResult(host="c", ok=False, error=_ERROR),
        ],
    )
    show_disconnected(results, activity, report, quiet=False)
    assert _lines(shown) == ["a is disconnected; its app server was stopped", "b had no link"]
    assert "remora:" in problems.getvalue()


def test_the_hub_is_shown() -> None:
    page, screen = _page(80)
    hub = HubBody(running=True, pid=os.getpid(), version="1.2", since=time.time(), socket="/s", log="/l")
    show_hub_state(page, HubReport(hub=hub, changed=True, links=1), done="started")
    shown = "\n".join(_lines(screen))
    assert "The hub started." in shown
    assert "1 link" in shown
    show_hub_state(page, HubReport(hub=HubBody(running=False)), done="")
    assert "The hub does not run." in "\n".join(_lines(screen))


def test_a3_a_link_whose_name_means_something_else_now_is_told_from_the_one_that_has_the_name() -> None:
    notice = NoticeBody(code="alias-changed", message="devbox now means me@new:22, but its link leads to me@old:22.")
    page, screen = _page(120)
    show_links(
        page,
        _status(_link(leads_to="me@old:22", notices=[notice]), _link(leads_to="me@new:22")),
        alias=None,
        verbosity=0,
    )
    old, new = (line for line in _lines(screen) if "devbox" in line)
    assert ("live, outdated" in old, "me@old:22" in old) == (True, True)
    assert ("outdated" in new, "me@new:22" in new) == (False, True)
