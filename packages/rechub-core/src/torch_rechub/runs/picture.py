"""Plots a comparison with matplotlib."""

from importlib import import_module
from typing import Any

from .._files import naming
from .._shown import shown
from .comparison import Comparison
from .curves import COLORS, curve, labels
from .tables import shortened, spread

_GRAY_ROWS = 200
_LONGEST_TITLE = 80
# fonts with Chinese characters on common systems; matplotlib's default font has none
_FONTS = (
    "DejaVu Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "PingFang SC",
    "Hiragino Sans GB", "Microsoft YaHei", "SimHei", "WenQuanYi Micro Hei", "Arial Unicode MS",
)  # fmt: skip


def draw_png(comparison: Comparison, path: str) -> None:
    """Write the plot as a PNG file.

    Raises:
        ImportError: matplotlib is missing.
    """
    try:
        matplotlib: Any = import_module("matplotlib")
    except ImportError as error:
        raise ImportError(
            "drawing a .png needs matplotlib: pip install 'rechub-core[plot]'. "
            "A .html file needs nothing."
        ) from error
    plain = {"font.family": _installed_fonts(), "font.size": 10, "text.usetex": False}
    with naming(path), matplotlib.rc_context(plain):
        figure(comparison).savefig(path, dpi=150, format="png")


def figure(comparison: Comparison) -> Any:
    """Return a matplotlib figure; the best row is on top and first in the legend."""
    # no pyplot: it would open windows and change global state
    figures: Any = import_module("matplotlib.figure")
    drawn = figures.Figure(figsize=(9.5, 5), layout="constrained")
    axes = drawn.add_subplot()
    _draw_curves(axes, comparison)
    _dress(axes, comparison)
    return drawn


def _draw_curves(axes: Any, comparison: Comparison) -> None:
    n = len(comparison.rows)
    names = labels(comparison)
    for index in reversed(range(min(n, _GRAY_ROWS))):
        row = comparison.rows[index]
        drawn = curve(row, comparison.metric)
        colored = index < len(COLORS)
        color = COLORS[index] if colored else "#bbbbbb"
        order = 3 + (n - index) / n if colored else 2
        if colored and drawn.sd:
            low = [m - s for m, s in zip(drawn.mean, drawn.sd, strict=True)]
            high = [m + s for m, s in zip(drawn.mean, drawn.sd, strict=True)]
            axes.fill_between(
                drawn.steps, low, high, color=color, alpha=0.15, linewidth=0, zorder=2
            )
        for tail in drawn.tails:
            axes.plot(*zip(*tail, strict=True), color=color, linewidth=0.7, zorder=order)
        axes.plot(
            drawn.steps,
            drawn.mean,
            color=color,
            linewidth=1.8 if colored else 0.7,
            marker="o" if len(drawn.steps) <= 25 and colored else None,
            markersize=3.5,
            zorder=order,
            label=f"{spread(row.best.mean, row.best.sd)}   {names[index]}" if colored else None,
        )


def _dress(axes: Any, comparison: Comparison) -> None:
    ticker: Any = import_module("matplotlib.ticker")
    runs = sum(row.n for row in comparison.rows)
    metric = shortened(shown(comparison.metric), _LONGEST_TITLE)
    axes.set_title(f"{metric}, {runs} runs", loc="left", fontsize=12, parse_math=False)
    if any(row.n > 1 for row in comparison.rows):
        note = {"loc": "right", "fontsize": 9, "color": "#555555"}
        axes.set_title("mean ± standard deviation", **note)
    axes.set_xlabel("step")
    axes.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    handles, texts = axes.get_legend_handles_labels()
    hidden = len(comparison.rows) - len(texts)
    title = f"best, {'largest' if comparison.mode == 'max' else 'smallest'} first"
    title += f" ({hidden} more in gray)" if hidden else ""
    legend = axes.legend(
        handles[::-1],
        texts[::-1],
        title=title,
        loc="center left",
        bbox_to_anchor=(1.01, 0.5),
        frameon=False,
        alignment="left",
        fontsize=9,
    )
    legend.get_title().set_color("#555555")
    for text in legend.get_texts():
        text.set_parse_math(False)  # a dollar sign in a name must not start a formula


def _installed_fonts() -> list[str]:
    manager: Any = import_module("matplotlib.font_manager")
    installed = {font.name for font in manager.fontManager.ttflist}
    return [name for name in _FONTS if name in installed]
