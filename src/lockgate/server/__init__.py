"""HTTP: workers that answer calls, a supervisor that keeps them, and the control plane's pages."""
