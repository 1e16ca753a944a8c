"""`python -m lockgate`."""

from lockgate.cli.main import run

if __name__ == "__main__":
    run()
