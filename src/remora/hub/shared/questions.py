"""Questions for a person while the hub connects: lent to the program that asked for the link."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from itertools import count

from remora.core.errors import RemoraError
from remora.core.secrets import Secret
from remora.flows.kit.unattended import UnattendedDialogue
from remora.ports import Dialogue, HostKeyAnswer, HostKeyQuestion, SecretQuestion
from remora.wire.hub.control import Answer, HostKeyAsked, Question, SecretAsked, failed, rebuild

_NOBODY = UnattendedDialogue()


class CallerDialogue:
    """A :class:`~remora.ports.Dialogue` in the hub, answered by whoever is at the other end of `send`.

    When that end goes away, questions under way and all later ones are refused, as where nobody may be asked.
    """

    def __init__(self, send: Callable[[Question], Awaitable[None]]) -> None:
        self._send = send
        self._numbers: Iterator[int] = count(1)
        self._waiting: dict[int, asyncio.Future[Answer | None]] = {}
        self._gone = False

    async def accept_host_key(self, question: HostKeyQuestion) -> HostKeyAnswer:
        """See :class:`~remora.ports.Dialogue`."""
        answer = await self._ask(
            HostKeyAsked(
                number=next(self._numbers),
                alias=question.alias,
                hostname=question.hostname,
                port=question.port,
                key_type=question.key_type,
                fingerprint=question.fingerprint,
                known_hosts_file=question.known_hosts_file,
            )
        )
        if answer is None:
            return await _NOBODY.accept_host_key(question)
        accepted = {choice.value: choice for choice in HostKeyAnswer}
        return accepted.get(answer.text or "", HostKeyAnswer.REFUSE)

    async def secret(self, question: SecretQuestion) -> Secret | None:
        """See :class:`~remora.ports.Dialogue`."""
        answer = await self._ask(
            SecretAsked(number=next(self._numbers), alias=question.alias, prompt=question.prompt, echo=question.echo)
        )
        if answer is None:
            return await _NOBODY.secret(question)
        return None if answer.text is None else Secret(answer.text)

    def answer(self, answer: Answer) -> None:
        """An answer came; one to no question is ignored."""
        waiting = self._waiting.get(answer.number)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    def hang_up(self) -> None:
        """Nobody answers any more. Idempotent."""
        self._gone = True
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_result(None)

    async def _ask(self, question: Question) -> Answer | None:
        """The answer; `None` when nobody can give one. Raises what kept the person from answering."""
        if self._gone:
            return None
        waiting: asyncio.Future[Answer | None] = asyncio.get_running_loop().create_future()
        self._waiting[question.number] = waiting
        try:
            await self._send(question)
            answer = await waiting
        except RemoraError:  # the caller is gone, and so is the person
            return None
        finally:
            del self._waiting[question.number]
        if answer is not None and answer.unattended is not None:
            raise rebuild(answer.unattended)
        return answer


async def answer_lent(question: Question, dialogue: Dialogue) -> Answer:
    """Ask the person of this program what the hub wants to know."""
    try:
        if isinstance(question, HostKeyAsked):
            said = await dialogue.accept_host_key(
                HostKeyQuestion(
                    alias=question.alias,
                    hostname=question.hostname,
                    port=question.port,
                    key_type=question.key_type,
                    fingerprint=question.fingerprint,
                    known_hosts_file=question.known_hosts_file,
                )
            )
            return Answer(number=question.number, text=said.value)
        secret = await dialogue.secret(SecretQuestion(alias=question.alias, prompt=question.prompt, echo=question.echo))
    except RemoraError as error:
        return Answer(number=question.number, unattended=failed(error))
    return Answer(number=question.number, text=None if secret is None else secret.reveal())
