"""The server's questions as :class:`~remora.core.approval.request.ApprovalRequest`, and decisions as its answers."""

from remora.wire.approval.answers import answer
from remora.wire.approval.requests import read_request

__all__ = ["answer", "read_request"]
