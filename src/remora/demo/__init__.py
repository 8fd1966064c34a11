"""The offline default: an embedded SSH host, a scripted model and the real app server."""
