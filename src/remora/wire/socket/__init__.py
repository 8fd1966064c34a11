"""WebSocket and line framing, whole or in pieces."""
