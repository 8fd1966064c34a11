"""Signals, standard streams and time limits of the process."""
