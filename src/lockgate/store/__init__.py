"""Where everything is kept: `ports` says what is needed, one file per adapter says how."""
