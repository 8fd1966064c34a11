"""Faults of ours that must not end what others use."""

import asyncio

from remora.core.errors import RemoraError, own_failure
from remora.core.link.faults import REPORT_LOGGED


def log_fault(alias: str, what: str, error: Exception) -> RemoraError:
    """Write `error` with its traceback where the process keeps such, and give it as a failure that names us."""
    said = f"{alias}: {what} failed inside remora"
    asyncio.get_running_loop().call_exception_handler({"message": said, "exception": error})
    failure = own_failure("remora", error, next_step=REPORT_LOGGED)
    failure.belongs_to(alias)
    return failure
