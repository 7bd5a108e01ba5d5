"""The table of speed: throughput, its ratio to plain loops, the share of the machine's peak."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench.contestants import JAX, NO_JAX, PLAIN, TUTORIAL
from bench.side import count_flops

_WHAT_HOLDS_BACK = (
    "What holds back the rest: the measuring after each epoch, whose arithmetic is not counted in "
    "the share; convolutions of 1 and 16 channels, too small for the matrix product that the peak "
    "is measured with; what is bound by memory (pooling, ReLU, dropout, the optimizer); and in the "
    "loops and the reference engine the start of each of a step's many small operations. Gradients "
    "that a pool makes zero are counted, so a kernel that skips them may seem nearer to the peak "
    "than it is."
)


@dataclass(frozen=True)
class Case:
    """What everyone trains on: images and epochs of a task, and those of a whole run."""

    dataset: str
    images: int
    epochs: int
    side: int
    run_epochs: int
    run_images: int


def make_table(
    case: Case,
    rates: Mapping[str, Sequence[float]],
    runs: Mapping[str, int],
    peak: float,
    processes: int,
    device: str,
) -> tuple[str, list[list[str]]]:
    """Return the text and the rows, the header first.

    Args:
        case: what was trained.
        rates: contestant -> training images a second in each round.
        runs: contestant -> its number of runs at once.
        peak: floating-point operations a second.
        processes: how many trained at once.
        device: `cpu` or `cuda`.
    """
    head = ["", "images/s", f"runs/h ({case.run_epochs} epochs)", f"ratio to {PLAIN}"]
    rows = [[*head, "share of peak"]]
    for name, mine in rates.items():
        rate = median(mine)
        ratios = [one / other for one, other in zip(mine, rates[PLAIN], strict=True)]
        rows.append(
            [
                f"{name}, {runs[name]} at once" if runs[name] > 1 else name,
                f"{rate:,.0f}",
                f"{3600 * rate / (case.run_epochs * case.run_images):,.0f}",
                f"{median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})",
                f"{rate * count_flops(case.side) / peak:.0%}",
            ]
        )
    rounds = len(rates[PLAIN])
    where = "GPU" if device == "cuda" else "core" if processes == 1 else "cores"
    parts = [
        f"{case.images:,} training images of {case.side}x{case.side}, batch 64, Adam, "
        f"{case.epochs} epoch{'s' if case.epochs > 1 else ''}; "
        f"{rounds} round{'s' if rounds > 1 else ''}. Images "
        "are training images, those of each run counted. The ratio is the median of the rounds' "
        "ratios, with the range.",
        f"Plain loops: one process per core with one thread, the dataset in memory, a DataLoader; "
        f"the {TUTORIAL} is one process with torch's own threads, which measures the test set "
        "alone after each epoch, where all others measure validation and training images too. "
        "Where runs train together, it is the number of them that was fastest in a trial.",
    ]
    if device == "cpu" and JAX not in rates:
        parts.append(NO_JAX)
    parts.append(
        f"Peak: {peak / 1e9:,.0f} GFLOP/s float32, measured in the same rounds as a product of "
        f"matrices on {processes} {where}. An image takes {count_flops(case.side) / 1e6:.1f} MFLOP "
        "to train on, counted from the network's shapes: forward and backward, all gradients dense."
    )
    parts.append(_WHAT_HOLDS_BACK)
    return " ".join(parts), rows
