"""The account and the machine, from the answers of a host."""

from remora.core.server.account_facts import AccountFacts
from remora.core.server.answers import Answers


def test_what_a_host_does_not_tell_is_absent() -> None:
    facts = AccountFacts.read(Answers((("os", "Linux"), ("entry.account", "me"), ("runtime", ""))))
    assert (facts.os, facts.account, facts.runtime_folder, facts.machine_id) == ("Linux", "me", None, None)
