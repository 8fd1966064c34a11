"""A turn that goes on while nobody watches, and asks before it ends."""

from remora.demo.scripted_model import Gate, RunCommand, Say, Step, Wait


def waiting_turn(gate: Gate) -> list[Step]:
    """Text, the gate, more text, a command that needs an approval, and the end."""
    return [
        Say("Alpha begins.", ends_turn=False),
        Wait(gate),
        Say("Beta was said meanwhile.", ends_turn=False),
        RunCommand("touch granted", escalate=True, justification="May I leave a mark?"),
        Say("Omega ends."),
    ]
