"""What a metric of somebody else's is: its unit, and which way is better."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pandas as pd

from lrdecay.core.errors import InputError

UNITS = ("share", "percent", "nats", "seconds", "own")
"""What `--unit` may say."""

_HIGHER = (
    *("accuracy", "acc", "f1", "auc", "auroc", "auprc", "map", "bleu", "rouge", "meteor", "chrf"),
    *("iou", "miou", "dice", "r2", "ssim", "psnr", "precision", "recall", "reward"),
    *("return", "mrr", "ndcg", "mcc", "kappa", "throughput", "winrate"),
)
_LOWER = (
    *("loss", "nll", "perplexity", "ppl", "bpb", "bpc", "mse", "rmse", "mae", "mape", "error"),
    *("err", "wer", "cer", "fid", "ece", "brier", "seconds", "time", "steps", "regret", "distance"),
)
_BETTER = dict.fromkeys(_HIGHER, True) | dict.fromkeys(_LOWER, False)
"""The words of a metric's name that tell whether higher is better."""
_SHARES = {"accuracy", "acc"}
_TURNING = frozenset(
    (
        *("to", "until", "per", "neg", "negative", "minus", "inverse", "inv", "rank", "ratio"),
        *("drop", "gap", "gain", "reduction", "improvement", "increase", "decrease", "change"),
        *("delta", "diff", "difference", "std", "stdev", "sd", "sem", "stderr", "var", "variance"),
    )
)
"""With one of these a name means something else than its other words do: `time_to_accuracy`."""


@dataclass(frozen=True)
class ImportedMetric:
    """A metric of an import.

    Attributes:
        name: as lrdecay has it, such as test_accuracy.
        column: where its values were.
        unit: points (stored as a share), nats, seconds or own.
        scale: what the column's values are multiplied by before they are stored.
        higher_is_better: which way is better.
        note: what was taken for granted, in words; nothing where nothing was.
    """

    name: str
    column: str
    unit: str
    scale: float
    higher_is_better: bool
    note: str = ""


def describe_metric(
    name: str,
    column: str,
    values: pd.Series[float],
    unit: str | None = None,
    higher_is_better: bool | None = None,
) -> ImportedMetric:
    """Return what a metric is, from what is said of it, else from its name and its values.

    Args:
        name: what lrdecay is to call it.
        column: where its values were.
        values: the finite ones, as they stand there.
        unit: one of `UNITS`.
        higher_is_better: as is said.

    Raises:
        InputError: it cannot be told, or the values are not of that unit.
    """
    better = _find_direction(name) if higher_is_better is None else higher_is_better
    found, scale, note = _find_unit(name, values, unit)
    if name.endswith("_accuracy") and found != "points":
        raise InputError(
            f"metric {name}: an accuracy is a share or percent; give what is none another name, as "
            f"in --metric NAME={column}"
        )
    return ImportedMetric(name, column, found, scale, better, note)


def _find_direction(name: str) -> bool:
    words = _split_words(name)
    known = [_BETTER[word] for word in words if word in _BETTER]
    if not known or _TURNING & set(words):
        raise InputError(
            f"metric {name}: whether higher is better is not known; give --higher-is-better {name} "
            f"or --lower-is-better {name} (from_frame: higher_is_better=True or False)"
        )
    return known[-1]


def _find_unit(name: str, values: pd.Series[float], unit: str | None) -> tuple[str, float, str]:
    """Return the unit, the scale and a note."""
    if unit is not None:
        return (*_use_unit(name, values, unit), "")
    words = _split_words(name)
    if _TURNING & set(words):
        return "own", 1.0, ""
    if "seconds" in words:
        return "seconds", 1.0, ""
    if name.endswith("_loss"):
        return "nats", 1.0, ""
    if not _SHARES & set(words) or values.empty or {"error", "loss"} & set(words):
        return ("points" if words[-1] in _SHARES else "own"), 1.0, ""
    low, high = float(values.min()), float(values.max())
    if low >= 0 and high <= 1:
        return "points", 1.0, ""
    if low > 1 and high <= 100:
        note = f"{name} is taken for percent, since it goes from {low:g} to {high:g}"
        return "points", 0.01, note
    raise InputError(
        f"metric {name} goes from {low:g} to {high:g}: neither plainly a share nor plainly "
        f"percent; give --unit {name}=share, percent or own"
    )


def _use_unit(name: str, values: pd.Series[float], unit: str) -> tuple[str, float]:
    if unit not in UNITS:
        raise InputError(f"metric {name}: the unit must be one of {', '.join(UNITS)}, not {unit!r}")
    if unit not in ("share", "percent"):
        return unit, 1.0
    most = 1 if unit == "share" else 100
    bad = values[(values < 0) | (values > most)]
    if len(bad):
        raise InputError(
            f"metric {name}: {bad.iloc[0]:g} (row {bad.index[0] + 1}) is no {unit}, which goes "
            f"from 0 to {most}"
        )
    return "points", 1.0 / most


def _split_words(name: str) -> list[str]:
    return re.split(r"[^a-z0-9]+", name.lower())


def is_known_metric(name: str) -> bool:
    """Return whether a name tells which way is better.

    >>> is_known_metric("final/test_accuracy"), is_known_metric("width")
    (True, False)
    """
    return any(word in _BETTER for word in _split_words(name))
