"""A sweep's schedules before anything trains: as lines in the terminal, and as a picture."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from lrdecay.sweep.schedule_lint import PlannedCurve

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII = "_.-=+*#@"
WIDEST = 40


def draw_sparkline(rates: Sequence[float], top: float, width: int, levels: str = BLOCKS) -> str:
    """Return the rates as `width` characters of eight heights, the highest being `top`.

    Each character stands for the mean of its share of the epochs or steps.

    >>> draw_sparkline([1.0, 0.75, 0.5, 0.25, 0.0], top=1.0, width=10)
    '██▆▆▅▅▃▃▁▁'
    """
    if top <= 0:
        return levels[0] * width
    shares = np.clip(np.array(rates), 0.0, top) / top  # in this order, or large rates overflow
    fine = np.repeat(shares, -(-width // len(rates)))
    return "".join(
        levels[round((len(levels) - 1) * part.mean())] for part in np.array_split(fine, width)
    )


def draw_lines(
    planned: Sequence[PlannedCurve], width: int = 80, levels: str = BLOCKS
) -> list[tuple[str, str, str]]:
    """Return label, curve and what its rates are for each schedule, all to one scale and together
    at most `width` characters wide, as far as labels allow."""
    if not planned:
        return []
    top = max(max(each.curve.rates) for each in planned)
    lengths = {(each.run.epochs, each.run.batch_size) for each in planned}
    labels, words = [], []
    for each in planned:
        longer = f", {each.run.epochs} epochs of {each.run.batch_size}" if len(lengths) > 1 else ""
        labels.append(each.label + longer)
        rates = each.curve.rates
        ends = dict.fromkeys([rates[0], max(rates), rates[-1]])
        words.append(" to ".join(f"{rate:.2g}" for rate in ends))
    left = width - max(map(len, labels)) - max(map(len, words)) - 4  # two spaces between columns
    wide = min(max(left, 10), WIDEST)
    drawn = [draw_sparkline(each.curve.rates, top, wide, levels) for each in planned]
    return list(zip(labels, drawn, words, strict=True))


def curves_to_frame(planned: Sequence[PlannedCurve]) -> pd.DataFrame:
    """Return the schedules as a frame: `scheduler`, `epochs`, `batch_size`, `trained` (epochs done,
    where the rate begins) and `learning_rate`, one row for each epoch or step and one for the
    end."""
    parts = []
    for each in planned:
        curve = each.curve
        per_epoch = curve.horizon.steps_per_epoch if curve.every == "step" else 1
        parts.append(
            pd.DataFrame(
                {
                    "scheduler": each.label,
                    "epochs": each.run.epochs,
                    "batch_size": each.run.batch_size,
                    "trained": np.arange(len(curve.rates) + 1) / per_epoch,
                    "learning_rate": [*curve.rates, curve.rates[-1]],
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def save_curves(planned: Sequence[PlannedCurve], path: Path) -> None:
    """Draw the schedules, a panel for each length of run, into a file.

    Raises `InputError` where its name is not that of a figure.
    """
    from matplotlib.figure import Figure

    from lrdecay.plots import plot_schedules, save_figure, style_schedulers
    from lrdecay.plots.figure_file import check_figure_name

    check_figure_name(path, "--plot")
    frame = curves_to_frame(planned)
    panels = list(frame.groupby(["epochs", "batch_size"], sort=False))
    figure = Figure(figsize=(5.5 * len(panels), 3.6), layout="constrained")
    styles = style_schedulers(frame)
    for number, ((epochs, batch_size), panel) in enumerate(panels, start=1):
        ax = figure.add_subplot(1, len(panels), number)
        plot_schedules(panel, styles=styles, legend=number == len(panels), ax=ax)
        if len(panels) > 1:
            ax.set_title(f"{epochs} epochs, batches of {batch_size}")
    save_figure(figure, path)
