"""Who waits sees how far it is, on a terminal; elsewhere nothing is said."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fleet.picture.story import Progress


@contextmanager
def shown_progress() -> Iterator[Progress]:
    """Show a bar on standard error while the work goes on, and take it away when it is done."""
    from rich.console import Console
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    with Bar(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("drawing", total=1.0)
        yield lambda share: bar.update(task, completed=share)


@contextmanager
def shown_status() -> Iterator[Callable[[str], None]]:
    """Show what is being done on standard error, on a terminal."""
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    with console.status("") as status:
        yield status.update if console.is_terminal else (lambda _text: None)
