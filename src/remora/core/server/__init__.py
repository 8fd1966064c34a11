"""What a host answers and how its app server is started, as values."""
