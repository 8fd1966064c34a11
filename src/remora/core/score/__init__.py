"""The readiness scorecard."""
