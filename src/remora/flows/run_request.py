"""What to run."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from remora.wire.appserver import (
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

    def settings(self, folder: str | None) -> ThreadSettings:
        """What the thread shall run with, in `folder` as it is called on the host."""
        return ThreadSettings(
            folder=folder,
            model=self.model,
            effort=self.effort,
            sandbox=self.sandbox,
            approval_policy=self.approval_policy,
        )
