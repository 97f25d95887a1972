"""matplotlib, imported where it is used, with settings that are ours and not the user's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from fleet.errors import RequestError
from fleet.picture.palette import INK, PAPER, RULE, SOFT

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INSTALL = "pip install 'thingum-fleet[plot]'"
PNG_DPI = 150


def see_that_it_is_there() -> None:
    """Raise RequestError with the way out where matplotlib is not installed."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise RequestError(f"pictures need matplotlib ({error}); install it with: {INSTALL}") from None


@contextmanager
def our_settings() -> Iterator[None]:
    """Draw with matplotlib's own defaults and ours over them: pictures do not depend on the user's settings."""
    import matplotlib as mpl

    ours: dict[Any, Any] = {
        "svg.fonttype": "none",  # text stays text: it is small, can be read aloud and searched
        "svg.hashsalt": "fleet",  # the same picture has the same bytes
        "font.family": "DejaVu Sans",  # comes with matplotlib
        "axes.edgecolor": RULE.day,
        "axes.labelcolor": INK.day,
        "axes.facecolor": "none",
        "axes.linewidth": 0.6,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "figure.facecolor": PAPER.day,
        "text.color": INK.day,
        "xtick.color": SOFT.day,
        "ytick.color": SOFT.day,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "xtick.major.size": 2.5,
        "ytick.major.size": 2.5,
        "path.simplify": False,
    }
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(ours)
        yield


def as_png(figure: Figure) -> bytes:
    """Write *figure* as PNG; the same figure, the same bytes. Few colours are in use: a palette takes a third."""
    from io import BytesIO

    from PIL import Image

    drawn, out = BytesIO(), BytesIO()
    figure.savefig(drawn, format="png", dpi=PNG_DPI, metadata={"Software": None})
    with Image.open(drawn) as image:
        few = image.convert("RGB").quantize(method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    few.save(out, format="PNG", optimize=True)
    return out.getvalue()


def as_svg(figure: Figure) -> str:
    """Write *figure* as SVG; the same figure, the same bytes."""
    from io import StringIO

    out = StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return out.getvalue()
