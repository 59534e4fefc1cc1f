"""What every plot begins and ends with: matplotlib without a screen, one style, PNG bytes.

matplotlib is imported inside functions: commands load this module whether they plot or not.
"""

from __future__ import annotations

import io
import warnings
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from keeprate.errors import KeeprateError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#767676"
"""Told apart by people of every colour vision (Okabe and Ito 2008)."""
MARK = b"Software\x00keeprate"
"""A PNG of ours has this near its begin."""
DOTS_PER_INCH = 150
_STYLE: Any = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "font.size": 10,
    "legend.frameon": False,
    "text.parse_math": False,  # a bucket may be called $5
}


def check_matplotlib() -> None:
    """Say early that nothing can be plotted.

    Raises:
        KeeprateError: matplotlib is not installed.
    """
    if find_spec("matplotlib") is None:
        raise KeeprateError("Plotting needs matplotlib.", advice="pip install 'keeprate[plots]'.")


def new_figure(panels: int, title: str) -> tuple[Figure, list[Axes]]:
    """A figure with panels side by side.

    Raises:
        KeeprateError: matplotlib is not installed.
    """
    check_matplotlib()
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    mpl.rcParams.update(_STYLE)
    figure = Figure(figsize=(5.2 * panels, 4.8), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
    axes: Any = figure.subplots(1, panels, squeeze=False)
    return figure, list(axes[0])


def as_png(figure: Figure) -> bytes:
    """The finished figure; characters that the font lacks are drawn as boxes."""
    target = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(target, format="png", dpi=DOTS_PER_INCH, metadata={"Software": "keeprate"})
    return target.getvalue()


def shortened(name: str, length: int = 18) -> str:
    """A name that fits beside an axis."""
    return name if len(name) <= length else f"{name[: length - 1]}…"
