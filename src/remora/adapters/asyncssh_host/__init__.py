"""The SSH connection over asyncssh; nothing outside this package knows that library."""

from remora.adapters.asyncssh_host.dialler import AsyncsshDialler

__all__ = ["AsyncsshDialler"]
