"""Progress of provisioning without the secrets that a script of the user's may have written."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from remora.wire.reports import ErrorBody
from remora.wire.reports.provision import (
    HostProvision,
    ProvisionProgress,
    ProvisionReport,
    StepBody,
    StepDone,
    StepMoved,
    StepStarted,
)

Hide = Callable[[str], str]


async def without_secrets(
    progress: AsyncGenerator[ProvisionProgress, None], hide: Hide
) -> AsyncGenerator[ProvisionProgress, None]:
    """The same progress; `hide` has seen to every text in it that a host or script may have written."""
    async with aclosing(progress) as coming:
        async for step in coming:
            _hide(step, hide)
            yield step


def _hide(progress: ProvisionProgress, hide: Hide) -> None:
    match progress:
        case StepStarted():
            pass
        case StepMoved():
            progress.line = hide(progress.line)
        case StepDone():
            _hide_step(progress.step, hide)
        case HostProvision():
            _hide_host(progress, hide)
        case ProvisionReport():
            for host in progress.hosts:
                _hide_host(host, hide)


def _hide_host(host: HostProvision, hide: Hide) -> None:
    _hide_error(host.error, hide)
    for notice in host.notices:
        notice.message = hide(notice.message)
    for step in host.steps:
        _hide_step(step, hide)


def _hide_step(step: StepBody, hide: Hide) -> None:
    step.detail = hide(step.detail)
    step.notices = [hide(notice) for notice in step.notices]
    _hide_error(step.error, hide)


def _hide_error(error: ErrorBody | None, hide: Hide) -> None:
    if error is not None:
        error.message, error.seen, error.next = hide(error.message), hide(error.seen), hide(error.next)
