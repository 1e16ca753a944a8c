"""Worlds with a known truth, on which error rates are measured."""
