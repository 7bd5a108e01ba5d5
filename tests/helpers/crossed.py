"""The crossed interval of an unpacked matrix, which the bitmaps must give too."""

import numpy as np

from lrdecay.analysis.crossed_effects import crossed_variance
from lrdecay.analysis.intervals import t_radius


def crossed_interval(
    differences: np.ndarray, confidence: float = 0.95
) -> tuple[float, float, float]:
    """Return mean, low and high of the crossed interval of a matrix of seeds x images.

    t with n - 1 degrees of freedom, the fewer of the two. For a number of seeds fixed beforehand.
    """
    n, images = differences.shape
    mean = float(differences.mean())
    rows, columns = differences.mean(axis=1), differences.mean(axis=0)
    residual = differences - rows[:, None] - columns[None, :] + mean
    variance = crossed_variance(
        rows.var(ddof=1),
        columns.var(ddof=1),
        (residual**2).sum() / ((n - 1) * (images - 1)),
        n,
        images,
    )
    radius = float(t_radius(n, np.sqrt(n * variance), 1 - confidence))
    return mean, mean - radius, mean + radius
