"""Help as it is read at 80 columns."""

from tests.support.base.program import remora


def test_no_summary_of_a_command_is_cut_off() -> None:
    lines = remora("--help").stdout.decode().splitlines()
    assert any(line.startswith("  provision") for line in lines)
    assert [line for line in lines if line.endswith("...") and not line.startswith("Usage")] == []
