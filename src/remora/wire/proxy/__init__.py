"""Requests to an HTTP proxy."""
