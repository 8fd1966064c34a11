"""The readiness scorecard, measured."""
