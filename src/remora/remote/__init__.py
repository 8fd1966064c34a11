"""The only code that runs on the other machine: shell text, read as package data."""
