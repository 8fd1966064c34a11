"""This machine: sockets, ports, streams, clock, account."""
