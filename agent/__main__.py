"""`usufruct`, and `python -m agent`. Refuses with one sentence and what to do, never with a traceback of its own errors."""

import sys


def main() -> None:
    """Run the command line."""
    from agent.cli import app
    from strategies.errors import SettingsError, UsufructError

    try:
        app()
    except UsufructError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2 if isinstance(error, SettingsError) else 1)
    except OSError as error:
        sys.stderr.write(f"error: {error.filename or 'the system'}: {error.strerror or error}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
