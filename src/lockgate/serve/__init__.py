"""A call becomes a prediction and a line in the log: one path for a request and for a table."""
