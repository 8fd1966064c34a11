"""What a typed answer means."""

from remora.core.approval.request import Choice
from remora.core.approval.typed import choice_keys

ACCEPT = Choice("accept", "", None, grants=True)
ALWAYS = Choice("acceptWithExecpolicyAmendment", "", None, grants=True)
SESSION = Choice("acceptForSession", "", None, grants=True)
DECLINE = Choice("decline", "", None, grants=False)
CANCEL = Choice("cancel", "", None, grants=False)


def test_every_choice_has_a_number_and_no_letter_means_two_things() -> None:
    keys = choice_keys((ACCEPT, ALWAYS, SESSION, DECLINE, CANCEL))
    assert keys == [("1", "a"), ("2",), ("3", "s"), ("4", "d"), ("5", "c")]
