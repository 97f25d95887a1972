"""Rewrite the golden files: ``python -m tests.golden.update``; with ``--print`` only show them."""

from __future__ import annotations

import sys

from tests.golden.goldens import FOLDER, file_of, names, written


def main(arguments: list[str]) -> None:
    """Write the golden file of every scenario, and remove those of scenarios that are gone."""
    if arguments == ["--print"]:
        sys.stdout.write("".join(f"# {name}\n{written(name)}" for name in names()))
        return
    for file in FOLDER.glob("*.yaml"):
        if file.stem not in names():
            file.unlink()
    for name in names():
        file_of(name).write_text(written(name))


if __name__ == "__main__":
    main(sys.argv[1:])
