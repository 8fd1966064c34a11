"""Which settings of a thread a person says with the words for the terminal client."""

import pytest

from remora.cli.client.client_words import said_terms


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", ""),
        ("--model gpt-5 please", ""),
        ("-s read-only", "sandbox"),
        ("-sread-only", "sandbox"),
        ("--sandbox read-only", "sandbox"),
        ("--sandbox=read-only", "sandbox"),
        ("-a never", "approvalPolicy"),
        ("--ask-for-approval=never", "approvalPolicy"),
        ("--yolo", "approvalPolicy sandbox"),
        ("--dangerously-bypass-approvals-and-sandbox", "approvalPolicy sandbox"),
        ("--approve-for-me", "approvalPolicy approvalsReviewer"),
        ('-c sandbox_mode="workspace-write"', "sandbox"),
        ("-csandbox_mode=x", "sandbox"),
        ("--config approval_policy=never", "approvalPolicy"),
        ("--config=approvals_reviewer=user", "approvalsReviewer"),
        ("-c default_permissions=:workspace", "permissions sandbox"),
        ("-c model=sandbox_mode=x", ""),
        ("--profile loose", ""),
        ("-- --yolo", ""),
        ("-m -s", "sandbox"),
    ],
)
def test_what_is_said_is_known_by_its_option(words: str, said: str) -> None:
    assert " ".join(sorted(said_terms(words.split()))) == said
