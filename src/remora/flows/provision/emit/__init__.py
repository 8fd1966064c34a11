"""Provisioning without us: what another engine, or a new machine itself, carries out to the same end state."""
