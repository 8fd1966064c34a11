"""What callers of the hub can ask: one class for each family of messages."""
