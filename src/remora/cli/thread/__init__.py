"""Commands about threads."""
