"""What things are and what should be done: no I/O, no asyncio, no clock."""
