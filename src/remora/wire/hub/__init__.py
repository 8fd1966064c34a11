"""Messages between the hub and its callers."""
