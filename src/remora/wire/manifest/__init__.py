"""The manifest of devboxes."""
