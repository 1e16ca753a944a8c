"""Rooms wired together: the workspace, its loop, and the data plane's own small wiring."""
