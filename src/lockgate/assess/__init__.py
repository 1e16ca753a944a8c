"""Versions and held-out rows become a report and a gate's verdict."""
