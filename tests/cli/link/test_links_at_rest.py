"""What is said of a link that is down: whether anything is wrong with it, and what brings it back."""

import io
import time

import pytest

from remora.cli.draw.page import Page
from remora.cli.link.link_view import show_links, trouble
from remora.cli.link.link_watch_view import ConnectView, WaitView
from remora.wire.reports import ErrorBody
from remora.wire.reports.links import HubBody, LinkBody, StatusReport


def _link(liveness: str, *, code: str = "connection-lost", policy: str = "while-active", **fields: object) -> LinkBody:
    error = ErrorBody(
        code=code, stage="route", verdict="retry", message="It broke.", seen="", next="Check.", host="devbox"
    )
    usual: dict[str, object] = {"host": "devbox", "aliases": ["devbox"], "ssh_config": None, "since": time.time()}
    named = {"liveness": liveness, "socket": "/run/s.sock", "policy": policy, "error": error}
    return LinkBody(**{**usual, **named, **fields})  # type: ignore[arg-type]


def _shown(link: LinkBody, alias: str | None = None) -> str:
    screen = io.StringIO()
    page = Page(screen, {"LANG": "C.UTF-8", "NO_COLOR": "1"})
    show_links(page, StatusReport(hub=HubBody(running=True), links=[link]), alias=alias, verbosity=0)
    return " ".join(screen.getvalue().split())


@pytest.mark.parametrize("alias", [None, "devbox"])
@pytest.mark.parametrize(
    ("code", "policy", "why"),
    [
        ("connection-lost", "while-active", "while no client used it. The next client reconnects it, or run:"),
        ("connection-lost", "never", 'reconnect is "never". Connect again with:'),
        ("host-left", "while-active", "the host ended the connection. Connect again with:"),
    ],
)
def test_a_link_that_rests_is_no_failure_and_says_what_brings_it_back(
    code: str, policy: str, why: str, alias: str | None
) -> None:
    link = _link("suspended", code=code, policy=policy)
    shown = _shown(link, alias)
    assert f"{why} remora connect devbox" in shown
    assert "Check." not in shown
    assert trouble(link, 200).plain.startswith("devbox is suspended: ")


def test_a_link_that_is_tried_again_says_when() -> None:
    shown = _shown(_link("reconnecting", next_attempt=time.time() + 20.5))
    assert "NEXT TRY" in shown
    assert "in 20 s" in shown
    assert "It broke." in shown
    assert "Check." in shown


def test_a_log_is_told_once_what_is_waited_for() -> None:
    seconds = iter([0.0, 0.0, 0.5, 0.5, 4.0, 4.0, 6.0, 6.0, 7.0, 7.0])
    written = io.StringIO()
    log = Page(written, {"LANG": "C.UTF-8"})
    connecting = ConnectView(log, log, ["devbox", "prod"], json=False, verbosity=0, now=lambda: next(seconds))
    waiting = WaitView(log, "dropping links", now=lambda: next(seconds))
    for _ in range(4):
        connecting.redraw()
        waiting.redraw()
    assert written.getvalue() == "… connecting to devbox, prod\n… dropping links\n"
