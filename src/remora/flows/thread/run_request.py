"""What to run."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from remora.core.errors import Code, UsageProblem
from remora.core.words import choose
from remora.wire.appserver.calls import (
    ApprovalPolicy,
    SandboxMode,
    ThreadSettings,
    image_input,
    text_input,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """One prompt, and what it shall run with. What is `None` is left to the configuration on the host.

    `thread` continues that thread. `images` are data URLs or web addresses. `message_id` is a name for this
    prompt that nobody else uses: it proves whether it arrived.
    """

    prompt: str
    message_id: str
    folder: str | None = None
    thread: str | None = None
    model: str | None = None
    effort: str | None = None
    sandbox: SandboxMode | None = None
    approval_policy: ApprovalPolicy | None = None
    images: Sequence[str] = ()

    @property
    def inputs(self) -> list[dict[str, Any]]:
        """The prompt as the server takes it."""
        return [text_input(self.prompt), *map(image_input, self.images)]

    @property
    def works_in_home(self) -> bool:
        """Whether a new thread begins where nobody said: in the home folder. It may only read there, unless told."""
        return self.folder is None and self.thread is None and self.sandbox is None

    @property
    def options(self) -> list[str]:
        """What a command line that continues the thread has to repeat, so that the same holds."""
        given = (("--sandbox", self.sandbox), ("--approval-policy", self.approval_policy))
        return [word for name, value in given if value is not None for word in (name, value.value)]

    def settings(self, folder: str | None) -> ThreadSettings:
        """What the thread shall run with, in `folder` as it is called on the host."""
        return ThreadSettings(
            folder=folder,
            model=self.model,
            effort=self.effort,
            sandbox=self.sandbox,
            approval_policy=self.approval_policy,
        )


def read_request(
    prompt: str,
    *,
    message_id: str,
    folder: str | None = None,
    thread: str | None = None,
    model: str | None = None,
    effort: str | None = None,
    sandbox: str | None = None,
    approval_policy: str | None = None,
    images: Sequence[str] = (),
) -> RunRequest:
    """A request from what people and programs write: the usual names, and any text.

    Another name, an empty one, and text that Unicode has no bytes for, raise :class:`UsageProblem`: an empty name
    is a variable that was not set, and "not given" would do something else than was meant.
    """
    require_text("prompt", prompt)
    for name, value in (("folder", folder), ("thread", thread), ("model", model), ("effort", effort)):
        if value is not None and not value.strip():
            raise UsageProblem(Code.USAGE, f"The {name} is empty.", next_step="Name it, or give None.")
        require_text(name, value or "")
    return RunRequest(
        prompt=prompt,
        message_id=message_id,
        folder=folder,
        thread=thread,
        model=model,
        effort=effort,
        sandbox=None if sandbox is None else choose(SandboxMode, sandbox, what="sandbox"),
        approval_policy=None
        if approval_policy is None
        else choose(ApprovalPolicy, approval_policy, what="approval policy"),
        images=tuple(images),
    )


def require_text(name: str, value: str) -> None:
    """Raises :class:`UsageProblem` for text that cannot be sent."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise UsageProblem(
            Code.USAGE, f"The {name} holds bytes that are not UTF-8.", next_step="Write it in UTF-8."
        ) from None
