"""Summaries, bets and block tests: pure functions of (state, input)."""
