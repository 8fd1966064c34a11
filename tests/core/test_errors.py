"""Failures name the host that they are about."""

import traceback

import pytest

from remora.core.errors import AppServerProblem, Code, ProtocolProblem, Unreachable
from remora.core.readiness.awaited import Awaited, Seen, not_ready


def test_the_advice_names_the_host_in_its_commands() -> None:
    error = AppServerProblem(Code.LOGIN_MISSING, "Not signed in.", next_step="Sign in with: remora login ALIAS")
    error.belongs_to("devbox")
    assert (error.host, error.next_step) == ("devbox", "Sign in with: remora login devbox")


def test_a_host_that_is_named_already_stays() -> None:
    error = Unreachable(Code.CONNECTION_REFUSED, "Refused.", next_step="Start sshd.", host="bastion")
    error.belongs_to("devbox")
    assert error.host == "bastion"


def test_a_traceback_in_a_program_that_uses_the_library_names_what_the_other_side_said() -> None:
    error = ProtocolProblem(Code.REQUEST_REFUSED, "It refused.", seen="not \x1b[31mready", next_step="Update codex.")
    told = "".join(traceback.format_exception(error))
    assert "The other side said: not \\x1b[31mready" in told


@pytest.mark.parametrize(("seconds", "words"), [(1, "1 second:"), (0.5, "0.5 seconds:"), (600, "600 seconds:")])
def test_what_was_waited_for_in_vain_is_one_sentence(seconds: float, words: str) -> None:
    refused = Unreachable(Code.CONNECTION_REFUSED, "Port 22 refused.", next_step="Start sshd.")
    error = not_ready("devbox", Seen(error=refused), [Awaited.READY], seconds)
    assert error.message == f"devbox is not ready after {words} not reached: Port 22 refused."
    assert error.next_step.endswith("remora check devbox")
