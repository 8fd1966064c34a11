"""A run of provisioning written down on this machine, one log for each host at which anything happened."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Final

from remora.core.devbox.provision_step import StepOutcome
from remora.ports import Clock, RunLog, RunLogs
from remora.wire.reports import ErrorBody, NoticeBody
from remora.wire.reports.provision import (
    HostProvision,
    ProvisionProgress,
    ProvisionReport,
    StepBody,
    StepDone,
    StepMoved,
    StepStarted,
)

_HAPPENED: Final = (StepOutcome.CHANGED, StepOutcome.FAILED)


async def recorded(
    progress: AsyncGenerator[ProvisionProgress, None],
    logs: RunLogs | None,
    clock: Clock,
    *,
    remarks: Callable[[str], Sequence[str]],
) -> AsyncGenerator[ProvisionProgress, None]:
    """The same progress; a host's document names its log. A host at which nothing happened has none; without `logs`
    none has.

    A log that cannot be written is a notice of its host and stops nothing. `remarks` are what there is to say about
    an alias besides when it is done.
    """
    records: dict[str, _HostRecord] = {}
    try:
        async with aclosing(progress) as coming:
            async for step in coming:
                if isinstance(step, HostProvision):
                    step.notices += [NoticeBody(code="secret-exposed", message=text) for text in remarks(step.alias)]
                if logs is not None and not isinstance(step, ProvisionReport):
                    record = records.setdefault(step.alias, _HostRecord(step.alias, logs, clock))
                    record.take(step)
                yield step
    finally:
        for record in records.values():
            record.close()


class _HostRecord:
    def __init__(self, alias: str, logs: RunLogs, clock: Clock) -> None:
        self._alias = alias
        self._logs = logs
        self._clock = clock
        self._held: list[str] = []
        self._log: RunLog | None = None
        self._problem: OSError | None = None

    def take(self, step: StepStarted | StepMoved | StepDone | HostProvision) -> None:
        for line in _lines(step):
            self._held.append(f"{datetime.fromtimestamp(self._clock.wall(), UTC):%Y-%m-%dT%H:%M:%SZ} {line}")
        if self._log is not None or _is_worth_keeping(step):
            self._write()
        if isinstance(step, HostProvision):
            if self._log is not None:
                step.log = self._log.path
            if self._problem is not None:
                message = f"The log of this run cannot be written on this machine: {self._problem}."
                step.notices.append(NoticeBody(code="log-unwritable", message=message))
            self.close()

    def close(self) -> None:
        if self._log is not None:
            self._log.close()
            self._log = None

    def _write(self) -> None:
        lines, self._held = self._held, []
        if self._problem is not None:
            return
        try:
            self._log = self._log or self._logs.open(self._alias)
            for line in lines:
                self._log.write(line)
        except OSError as error:
            self._problem = error


def _is_worth_keeping(step: StepStarted | StepMoved | StepDone | HostProvision) -> bool:
    if isinstance(step, StepMoved):
        return bool(step.line)
    if isinstance(step, StepDone):
        return step.step.outcome in _HAPPENED
    return isinstance(step, HostProvision) and step.outcome in _HAPPENED


def _lines(step: StepStarted | StepMoved | StepDone | HostProvision) -> list[str]:
    match step:
        case StepStarted():
            return [f"step {step.index} of {step.count}, {step.name}: {step.title}"]
        case StepMoved():
            return [f"{step.name} | {step.line}"] if step.line else []
        case StepDone():
            return [
                _ending(step.step),
                *_failure(step.step.error),
                *(f"  notice: {text}" for text in step.step.notices),
            ]
        case HostProvision():
            notices = (f"  notice: {notice.message}" for notice in step.notices)
            ending = f"{step.alias}: {step.outcome} in {step.seconds:.1f} s, {step.bytes} bytes sent"
            return [ending, *_failure(step.error), *notices]


def _ending(step: StepBody) -> str:
    if step.outcome == StepOutcome.SKIPPED:
        return f"{step.name}: not reached"
    seconds = "" if step.seconds is None else f" in {step.seconds:.1f} s"
    sent = f", {step.bytes} bytes sent" if step.bytes else ""
    return f"{step.name}: {step.outcome}{seconds}{sent}. {step.detail}".rstrip(". ")


def _failure(error: ErrorBody | None) -> list[str]:
    if error is None:
        return []
    seen = [f"  seen: {line}" for line in error.seen.splitlines()]
    return [f"  {error.message} [{error.code}]", *seen, f"  next: {error.next}"]
