"""Commands about devboxes: provisioning, sign-in, scorecard."""
