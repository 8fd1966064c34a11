"""Threads and turns."""
