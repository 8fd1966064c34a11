"""What every command is built from."""
