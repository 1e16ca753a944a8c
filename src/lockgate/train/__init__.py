"""A table becomes versions: baselines first, then the candidate."""
