"""What provisioning decides, without touching a host."""
