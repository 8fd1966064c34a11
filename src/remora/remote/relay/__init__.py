"""The relay: keeps byte streams alive on a host."""
