"""The SSH connection over the system's ``ssh``; the only place that starts that program to connect."""

from remora.adapters.openssh_host.dialler import OpensshDialler, UserMaster

__all__ = ["OpensshDialler", "UserMaster"]
