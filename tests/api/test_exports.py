"""What programs may rely on: a name that comes or goes is a decision, not an accident."""

from pathlib import Path

import remora
from remora import testing

CLASSES = """
    ApprovalHandler ApprovalRequest Choice Code Decision Dialogue ExitCode Limits RemoraError Settings Stage
    TrustHandler Verdict
"""
FUNCTIONS = """
    check connect connect_hosts disconnect_hosts hub_status interrupt_switch interrupt_thread list_forwards list_hosts
    list_trust load_manifest load_settings login login_status open_egress open_forward plan provision resolve_hosts
    revoke_trust run run_request score start_hub status stop_forward stop_hub wait_for_hosts watch_status
"""
TESTING = """
    contracts expectations manual_clock memory_host memory_onward memory_packages memory_resolver memory_secrets
    memory_sockets memory_streams scripted_person socket_contracts
"""


def test_the_library_exports_what_a_program_needs() -> None:
    assert remora.__all__ == [*CLASSES.split(), *FUNCTIONS.split()]


def test_the_fakes_and_contracts_are_those_that_are_promised() -> None:
    (folder,) = testing.__path__
    assert sorted(file.stem for file in Path(folder).glob("*.py") if file.stem != "__init__") == TESTING.split()
