"""Names of the SSH configuration and what they resolve to."""
