"""The steps: each one thing that is to be true of a host."""
