"""What a link is, and every rule about keeping it."""
