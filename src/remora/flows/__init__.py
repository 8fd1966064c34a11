"""What happens, in order: asyncio yes, third-party I/O no."""
