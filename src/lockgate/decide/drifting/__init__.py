"""Drift judged: a reference profile becomes bets, windows become evidence, and evidence with effect becomes a verdict."""
