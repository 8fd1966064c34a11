"""A failure as a person reads it, wherever that is: what happened, its code, what was seen, and what to do next."""

from collections.abc import Iterator

from remora.core.errors import RemoraError

HEADLINE = "remora: "
"""What stands before the sentence that says what happened."""


def failure_lines(error: RemoraError) -> Iterator[str]:
    """`error` as whole lines of plain text."""
    yield HEADLINE + headline(error.message, error.host)
    yield from ("".join(row) for row in code_rows(error.code, error.stage))
    yield from ("".join(row) for row in advice_rows(error.seen, error.next_step))


def headline(message: str, host: str | None) -> str:
    """What happened, and where unless the sentence says so itself."""
    return f"{host}: {message}" if host and host not in message else message


def code_rows(code: str, stage: str) -> Iterator[tuple[str, str]]:
    """A label and a text: by what the failure is looked up."""
    yield "  code:  ", f"{code} (stage: {stage})"


def advice_rows(seen: str, next_step: str) -> Iterator[tuple[str, str]]:
    """A label and a text for each line below the sentence that said what happened."""
    for number, line in enumerate(seen.splitlines()):
        yield ("         " if number else "  seen:  "), line
    if next_step:
        yield "  next:  ", next_step
