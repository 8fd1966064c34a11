"""Shipped fakes and the contract suites that every implementation passes, the fakes too."""
