"""The groups of parameters of an optimizer, which have one learning rate and one momentum.

An optimizer has two where biases are spared the weight decay. The tables have one rate for each
step, and the stacked engine trains every weight at it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from lrdecay.core.text import join_words

Groups = Sequence[Mapping[str, Any]]


def read_rate(groups: Groups) -> float | complex:
    """Return the learning rate of all groups.

    Raises `ValueError` where they have several, or several momenta.
    """
    if len(groups) > 1 and (problem := find_group_difference(groups)):
        raise ValueError(f"the scheduler {problem}")
    return _read_rate(groups[0])


def read_momentum(group: Mapping[str, Any]) -> float:
    """Return the momentum of SGD or Adam's first beta; 0.0 where there is neither."""
    betas = group.get("betas")
    momentum = betas[0] if isinstance(betas, tuple | list) else group.get("momentum", 0.0)
    return float(momentum)


def find_group_difference(groups: Groups) -> str | None:
    """Say how the learning rates or momenta that a scheduler gave groups differ, if they do.

    >>> find_group_difference([{"lr": 0.1}, {"lr": 0.1}])
    >>> find_group_difference([{"lr": 0.1}, {"lr": 0.2}])[:64]
    'gives the groups of parameters different learning rates, 0.1 and'
    """
    for what, read in (("learning rates", _read_rate), ("momenta", read_momentum)):
        values = list(dict.fromkeys(str(read(group)) for group in groups))
        if len(values) > 1:
            return (
                f"gives the groups of parameters different {what}, {join_words(values)}, and "
                "here all have one; have it give them the same, or leave out decay_biases: false, "
                "which makes two groups"
            )
    return None


def _read_rate(group: Mapping[str, Any]) -> float | complex:
    rate = group["lr"]
    return rate if isinstance(rate, complex) else float(rate)  # a tensor may change in place
