"""What people read: rows for status and pages, sentences for why. Reads only."""
