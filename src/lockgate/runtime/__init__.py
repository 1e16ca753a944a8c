"""Loaded versions that answer, and the chain behind each of them."""
