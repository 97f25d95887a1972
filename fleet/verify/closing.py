"""Close a reader where its user stops early: left to the garbage collector it would keep its sockets open."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

Item = TypeVar("Item")


@asynccontextmanager
async def closing(items: AsyncIterator[Item]) -> AsyncIterator[AsyncIterator[Item]]:
    """Give *items*, an asynchronous generator, and close it whatever happens."""
    try:
        yield items
    finally:
        close = getattr(items, "aclose", None)  # a plain iterator has nothing to close
        if close is not None:
            await close()
