"""What this user's machine remembers between runs."""
