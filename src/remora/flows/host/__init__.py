"""Resolving and dialling a host."""
