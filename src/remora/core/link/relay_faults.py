"""What the relay says when something is wrong, as errors."""

from remora.core.errors import Code, LaunchProblem, Unreachable

_AGAIN = "Connect again; if it fails again, find out what ends processes on the host."


def relay_failed(message: str, seen: str = "") -> LaunchProblem:
    """The relay could not be had, or does not do its work."""
    return LaunchProblem(Code.RELAY_FAILED, message, seen=seen, next_step=_AGAIN)


def relay_silent(seconds: float) -> LaunchProblem:
    """Nothing that the relay's start should say came in time."""
    return LaunchProblem(
        Code.RELAY_FAILED,
        f"The relay could not be reached within {seconds:g} seconds.",
        next_step="Check the start-up files of the login shell and the load of the host.",
    )


def relay_start_problem(word: str, seen: str) -> LaunchProblem:
    """What the start on the host said instead of ``ready``."""
    if word == "foreign":
        return LaunchProblem(
            Code.RELAY_FAILED,
            "Other accounts can access the relay's folder on the host, so nothing was sent to it.",
            seen=seen,
            next_step="Remove that folder, or give the account a private runtime folder.",
        )
    if word == "mute":
        return LaunchProblem(
            Code.RELAY_FAILED,
            "The relay on the host is unresponsive.",
            seen=seen,
            next_step="End the process remora-relay on the host if it hangs, then connect again.",
        )
    return relay_failed("The relay did not start on the host.", seen)


def session_lost() -> Unreachable:
    """The relay no longer has the session that its streams belonged to."""
    return Unreachable(
        Code.CONNECTION_LOST,
        "The relay on the host no longer has this connection: it was ended there, or its lease ran out.",
        next_step="Connect again; the threads show what the app server did meanwhile.",
    )


def host_shuts_down() -> Unreachable:
    """The relay was told to end."""
    return Unreachable(
        Code.HOST_LEFT,
        "The host ended the connection: it shuts down, or somebody ended the relay there.",
        next_step="Connect again when the host runs.",
    )


def link_left() -> Unreachable:
    """The session was ended from here."""
    return Unreachable(Code.CONNECTION_LOST, "The link to the host was ended.", next_step="Connect again.")
