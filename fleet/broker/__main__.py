"""``python -m fleet.broker``: see embedded.py."""

from __future__ import annotations

from fleet.broker.embedded import main

if __name__ == "__main__":
    main()
