"""Checking hosts, and waiting for them."""
