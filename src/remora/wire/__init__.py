"""What the bytes mean: no I/O, no asyncio."""
