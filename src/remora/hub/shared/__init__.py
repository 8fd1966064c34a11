"""What both sides of the hub's socket need."""
