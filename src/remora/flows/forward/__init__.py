"""Ports in both directions."""
