"""Requests for a decision."""
