"""Questions of an agent, and of trust."""
