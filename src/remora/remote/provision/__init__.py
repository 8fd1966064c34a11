"""What runs on hosts for provisioning: shell text, and small programs of Python that stand alone."""
