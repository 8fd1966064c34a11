"""The local background process that holds links, and how to speak to it."""
