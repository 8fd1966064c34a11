"""One supervised connection to a host."""
