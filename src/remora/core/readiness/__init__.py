"""The staged proof of a host, and what is waited for."""
