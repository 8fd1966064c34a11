"""What an agent may ask a person, and what can be answered."""
