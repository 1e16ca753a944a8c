"""Claims, gates, the rollout's state machine and assignment: pure, nothing read, nothing written."""
