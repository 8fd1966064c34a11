"""What both ways to speak SSH share."""
