"""Views: pure functions from the public documents to what a person reads. Nothing here asks, waits or decides."""
