"""What a repository may bring, and what an agent may do: decided here, never by the repository itself."""
