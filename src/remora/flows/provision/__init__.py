"""Bringing hosts to a described state: read, compare, change what differs, prove it."""
