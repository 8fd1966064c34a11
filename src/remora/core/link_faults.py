"""What is wrong where a link is needed, as errors."""

from remora.core.errors import Code, LaunchProblem


def link_missing(alias: str, what: str = "does not exist", *, then: str = "") -> LaunchProblem:
    """There is no link to `alias` that could be used; `what` says why, as the end of a sentence. `then` is the command
    that works once there is one.
    """
    return LaunchProblem(
        Code.LINK_MISSING,
        f"The link to {alias} {what}.",
        next_step=f"Make one with: remora connect {alias}" + (f" && {then}" if then else ""),
        host=alias,
    )
