"""Frames between this machine and the relay on a host."""
