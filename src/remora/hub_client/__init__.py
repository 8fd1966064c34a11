"""The caller's side of the hub."""
