"""The terminal: a thin view of :mod:`remora.api`."""
