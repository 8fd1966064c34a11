"""Commands about links, forwarded ports and the hub."""
