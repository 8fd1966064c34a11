"""The messages of codex's app server."""
