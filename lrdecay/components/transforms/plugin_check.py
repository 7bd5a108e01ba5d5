"""Whether a plug-in's transform does what one must, found before anything trains."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from lrdecay.components import registry, rng
from lrdecay.components.transforms.augmentation import call_plugin

_IMAGES = 6


def check_augment(augment: Mapping[str, Any], shape: tuple[int, int, int]) -> None:
    """Raise `ValueError` if what a run does to images cannot be done to those of this shape, as far
    as plug-ins do it."""
    for name, value in augment.items():
        own = registry.find_plugin("transform", name)
        problem = None if own is None else _find_problem(own, value, type(value).__name__, shape)
        if problem is not None:
            raise ValueError(problem)


@lru_cache(maxsize=64)
def _find_problem(
    own: registry.Plugged, value: Any, kind: str, shape: tuple[int, int, int]
) -> str | None:
    """Say what is wrong; `kind` tells 1 from 1.0 and true."""
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            problem = _try_transform(own.name, value, shape)
    except (Exception, SystemExit) as error:  # it may raise anything
        return registry.blame_plugin(own, error)
    return problem and f"the plug-in transform {own.name} of {own.origin}: {problem}"


def _try_transform(name: str, value: Any, shape: tuple[int, int, int]) -> str | None:
    """Say what is wrong with what becomes of a few images."""
    keys = rng.make_keys(range(_IMAGES), "augment")
    uniforms = rng.draw_bits(keys[:, None], shape[0] * shape[1] * shape[2])
    images = ((uniforms >> 40).float() / 2**23).view(-1, *shape)
    before = torch.get_rng_state()

    def call(part: slice) -> Tensor:
        made: Tensor = call_plugin(name, value, images[part].clone(), keys[part])
        return made

    made = call(slice(None))
    if not torch.equal(torch.get_rng_state(), before):
        return "draws from torch's own generator; take random numbers from draw, which is seeded"
    if not isinstance(made, Tensor):
        return f"gives a {type(made).__name__}, and must give images"
    if made.shape != images.shape or made.dtype != images.dtype:
        of_it, expected = (f"{x.dtype} {tuple(x.shape)}" for x in (made, images))
        return f"makes {of_it} of {expected}, and must give what it is given"
    if not made.isfinite().all():
        return "makes numbers that are not finite"
    if not torch.equal(call(slice(None)), made):
        return "makes other images each time; take random numbers from draw, which is seeded"
    alone = torch.cat([call(slice(place, place + 1)) for place in range(_IMAGES)])
    if not torch.allclose(alone, made, rtol=1e-4, atol=1e-5):
        return "makes of an image what depends on the images beside it; change each by itself"
    return None
