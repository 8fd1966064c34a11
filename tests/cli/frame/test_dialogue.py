"""Questions on a real pseudo-terminal: only what a person types in answer to a question counts."""

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest
from tests.support.base.loop import run
from tests.support.screen.person import Person, person
from tests.support.screen.pseudo_terminal import PseudoTerminal

from remora.cli.approval.decide import TerminalApprovals
from remora.cli.frame.dialogue import TerminalDialogue
from remora.cli.frame.terminal import Terminal
from remora.core.approval.request import ApprovalRequest, Choice, Decision, RequestKind
from remora.core.errors import ExitCode, NeedsPerson
from remora.core.secrets import Secret
from remora.flows.kit.unattended import UnattendedDialogue
from remora.ports import HostKeyAnswer, HostKeyQuestion, SecretQuestion

ACCEPT = Choice("accept", "Yes, run it", "accept", grants=True)
SESSION = Choice("acceptForSession", "Yes, and do not ask again in this session", "acceptForSession", grants=True)
DECLINE = Choice("decline", "No, go on without it", "decline", grants=False)
CANCEL = Choice("cancel", "No, and stop the turn", "cancel", grants=False)
REQUEST = ApprovalRequest(
    request_id=7,
    kind=RequestKind.COMMAND,
    thread_id="thread",
    command="rm -rf build",
    choices=(ACCEPT, SESSION, DECLINE, CANCEL),
)
HOST_KEY = HostKeyQuestion(
    alias="box",
    hostname="box.example.org",
    port=2222,
    key_type="ssh-ed25519",
    fingerprint="SHA256:abc",
    known_hosts_file="/home/joe/.ssh/known_hosts",
)


async def decide(someone: Person, *answers: str) -> Decision:
    someone.floor.announce((REQUEST.id, REQUEST.digest))
    deciding = asyncio.create_task(TerminalApprovals(someone.questioner).decide(REQUEST))
    for answer in answers:
        await someone.answer(answer, at="Your decision: ")
    return await deciding


@pytest.mark.parametrize(
    ("typed", "choice"),
    [
        ("1\n", ACCEPT),
        ("a\n", ACCEPT),
        (" A \n", ACCEPT),
        ("s\n", SESSION),
        ("3\n", DECLINE),
        ("c\n", CANCEL),
        ("y\n", ACCEPT),
        ("YES\n", ACCEPT),
        ("n\n", DECLINE),
        ("no\n", DECLINE),
    ],
)
async def test_a_typed_key_chooses(typed: str, choice: Choice) -> None:
    async with person() as someone:
        decision = await decide(someone, typed)
        assert decision == REQUEST.decision(choice, "person")
        assert "Yes, run it" in someone.screen.seen


async def test_enter_alone_and_unknown_words_ask_again_and_choose_nothing() -> None:
    async with person() as someone:
        decision = await decide(someone, "\n", "yes please\n", "0\n", "5\n", "d\n")
        assert decision.choice is DECLINE
        assert someone.screen.seen.count("nothing is chosen for you") == 4


@pytest.mark.parametrize("before", ["", "a"])
async def test_the_end_of_input_declines(before: str) -> None:
    async with person() as someone:
        decision = await decide(someone, before + "\x04\x04")
        assert decision == REQUEST.decision(DECLINE, "person")


async def test_a_terminal_that_is_closed_leaves_it_to_the_signal_what_becomes_of_the_work() -> None:
    with PseudoTerminal() as screen, Terminal(screen.path) as terminal:
        reading = asyncio.create_task(terminal.read_line(lambda: None))
        await asyncio.sleep(0)
        screen.hang_up()
        for _ in range(100):
            await asyncio.sleep(0)
        assert not reading.done()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading


async def test_keys_typed_before_the_question_never_answer_it() -> None:
    async with person() as someone:
        someone.screen.type("a\na\n1\na")
        decision = await decide(someone, "d\n")
        assert decision.choice is DECLINE


async def test_a_question_answered_elsewhere_is_withdrawn_and_leaves_no_reader() -> None:
    async with person() as someone:
        threads = threading.active_count()
        someone.floor.announce((REQUEST.id, REQUEST.digest))
        deciding = asyncio.create_task(TerminalApprovals(someone.questioner).decide(REQUEST))
        await someone.screen.shows("Your decision: ")
        someone.screen.type("a")
        deciding.cancel()
        with pytest.raises(asyncio.CancelledError):
            await deciding
        await someone.screen.shows("withdrawn")
        assert not someone.floor.taken
        assert threading.active_count() == threads
        assert someone.screen.echoes


async def test_a_question_waits_until_its_request_was_shown_and_then_holds_the_stream() -> None:
    async with person() as someone:
        deciding = asyncio.create_task(TerminalApprovals(someone.questioner).decide(REQUEST))
        await asyncio.sleep(0)
        await someone.floor.free()
        assert someone.screen.drain() == ""
        someone.floor.announce((REQUEST.id, REQUEST.digest))
        assert someone.floor.taken
        await someone.answer("d\n", at="Your decision: ")
        await someone.floor.free()
        assert (await deciding).choice is DECLINE


async def test_questions_of_the_agent_are_answered_by_number_or_words_and_secrets_are_not_shown() -> None:
    questions = (
        {"id": "colour", "question": "Which colour?", "options": [{"label": "red", "description": "warm"}]},
        {"id": "token", "question": "Token?", "isSecret": True},
    )
    request = ApprovalRequest(
        request_id=8,
        kind=RequestKind.USER_INPUT,
        thread_id="thread",
        questions=questions,
        choices=(Choice("answer", "Answer", None, grants=True), DECLINE),
    )
    async with person() as someone:
        someone.floor.announce((request.id, request.digest))
        deciding = asyncio.create_task(TerminalApprovals(someone.questioner).decide(request))
        await someone.answer("blue\n", at="Your answer: ")
        await someone.answer("1\n", at="Your answer: ")
        await someone.answer("hunter2\n", at="Your answer: ")
        decision = await deciding
        assert decision.answers == {"colour": ("red",), "token": ("hunter2",)}
        assert decision.choice.name == "answer"
        assert "hunter2" not in someone.screen.drain()


async def _asked(someone: Person, question: Callable[[], Awaitable[object]], *answers: tuple[str, str]) -> object:
    asking = asyncio.ensure_future(question())
    for prompt, answer in answers:
        await someone.answer(answer, at=prompt)
    return await asking


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (["no\n"], HostKeyAnswer.REFUSE),
        (["n\n"], HostKeyAnswer.REFUSE),
        (["\n", "sure\n", "once\n"], HostKeyAnswer.ONCE),
        (["yes\n"], HostKeyAnswer.ONCE),
        (["Y\n"], HostKeyAnswer.ONCE),
        (["ADD\n"], HostKeyAnswer.RECORD),
        (["\x04"], HostKeyAnswer.REFUSE),
    ],
)
async def test_an_unknown_host_key_is_trusted_only_by_its_word(answers: list[str], expected: HostKeyAnswer) -> None:
    async with person() as someone:
        dialogue = TerminalDialogue(someone.questioner)
        replies = [("Type no, once or add: ", answer) for answer in answers]
        assert await _asked(someone, lambda: dialogue.accept_host_key(HOST_KEY), *replies) is expected
        for fact in ("SHA256:abc", "ssh-ed25519", "box.example.org port 2222", "known_hosts"):
            assert fact in someone.screen.seen


async def test_secrets_are_asked_in_order_without_echo_and_the_terminal_is_as_before() -> None:
    async with person() as someone:
        dialogue = TerminalDialogue(someone.questioner)
        for prompt, typed in (("Password:", "päss word\n"), ("Code:", "123456\n")):
            question = SecretQuestion(alias="box", prompt=prompt)
            answer = await _asked(someone, lambda q=question: dialogue.secret(q), (prompt, typed))  # type: ignore[misc]
            assert isinstance(answer, Secret)
            assert answer.reveal() == typed.rstrip("\n")
        assert "päss" not in someone.screen.drain()
        assert "123456" not in someone.screen.drain()
        assert someone.screen.echoes


async def test_a_cancelled_secret_gives_the_echo_back() -> None:
    async with person() as someone:
        dialogue = TerminalDialogue(someone.questioner)
        asking = asyncio.create_task(dialogue.secret(SecretQuestion(alias="box", prompt="Password:")))
        await someone.screen.shows("Password:")
        assert not someone.screen.echoes
        someone.screen.type("half")
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert someone.screen.echoes


async def test_the_end_of_input_declines_a_secret() -> None:
    async with person() as someone:
        dialogue = TerminalDialogue(someone.questioner)
        question = SecretQuestion(alias="box", prompt="Password:")
        assert await _asked(someone, lambda: dialogue.secret(question), ("Password:", "\x04")) is None


async def test_a_prompt_of_the_host_cannot_drive_the_terminal() -> None:
    async with person() as someone:
        dialogue = TerminalDialogue(someone.questioner)
        question = SecretQuestion(alias="box", prompt="\x1b]0;owned\x07menu:\n1) sms\nOption? \x1b[2J")
        await _asked(someone, lambda: dialogue.secret(question), ("Option?", "1\n"))
        assert "\x1b]0" not in someone.screen.seen
        assert "\x1b[2J" not in someone.screen.seen
        assert "1) sms" in someone.screen.seen


async def test_questions_of_several_hosts_come_one_after_another() -> None:
    async with person() as someone:
        dialogue = TerminalDialogue(someone.questioner)
        first, second = (
            asyncio.create_task(dialogue.secret(SecretQuestion(alias=alias, prompt=f"Key of {alias}?")))
            for alias in ("one", "two")
        )
        await someone.answer("for-one\n", at="Key of one?")
        assert "two" not in someone.screen.seen
        await someone.answer("for-two\n", at="Key of two?")
        answers = [await first, await second]
        assert [answer.reveal() for answer in answers if answer] == ["for-one", "for-two"]


def test_where_nobody_may_be_asked_the_question_is_told() -> None:
    with pytest.raises(NeedsPerson) as refused:
        run(UnattendedDialogue().accept_host_key(HOST_KEY))
    assert refused.value.exit_code == ExitCode.NEEDS_PERSON
    assert "SHA256:abc" in refused.value.seen
    with pytest.raises(NeedsPerson) as declined:
        run(UnattendedDialogue().secret(SecretQuestion(alias="box", prompt="Password:")))
    assert declined.value.seen == "Password:"


@pytest.mark.parametrize("echo", [True, False])
async def test_a_prompt_is_drawn_when_what_is_typed_is_shown_or_hidden_already(echo: bool) -> None:
    with PseudoTerminal() as screen, Terminal(screen.path) as terminal:
        drawn: list[bool] = []
        reading = asyncio.create_task(terminal.read_line(lambda: drawn.append(screen.echoes), echo=echo))
        await asyncio.sleep(0)
        screen.type("secret\n")
        assert await reading == "secret"
        assert drawn == [echo]
        assert screen.echoes
