"""Outcomes become evidence, and evidence becomes verdicts."""
