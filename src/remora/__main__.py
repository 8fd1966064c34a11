"""``python -m remora``."""

from remora.cli.start import program

program()
