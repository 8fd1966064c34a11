"""How remora touches the world: one third party per file."""
