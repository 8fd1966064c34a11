"""remora: attach coding-agent sessions to any SSH host."""
