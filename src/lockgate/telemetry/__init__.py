"""What is told to the outside while it runs: series for Prometheus, spans for OpenTelemetry, lines of log."""
