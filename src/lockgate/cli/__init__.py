"""The command line: shell words into workspace calls, records into sentences."""
