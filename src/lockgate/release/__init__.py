"""Verdicts become moves of traffic: rollouts, promotions and rollbacks."""
