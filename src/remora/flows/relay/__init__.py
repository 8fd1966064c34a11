"""This machine's side of the relay."""
