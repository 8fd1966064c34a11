"""Threads, their items, and what is left of them on a host."""
