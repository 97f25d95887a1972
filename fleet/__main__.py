"""``fleet`` and ``python -m fleet``: from the first moment on Ctrl-C is no traceback."""

import os
import signal


def main() -> None:
    """Hand over to the command line; while that is being loaded Ctrl-C ends the process at once, with 130."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    from fleet.cli.main import main as command_line

    command_line()


if __name__ == "__main__":
    main()
