"""All that a recipe may have at once, in any combination: stacked against reference."""

from dataclasses import replace

import pytest
from helpers.every_kind import OPTIMIZERS
from helpers.recipes import assert_first_steps, make_runs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lrdecay.core.run import to_canonical_json

NETWORKS = {
    "cnn": {"model": "cnn"},
    "cnn with batch normalisation": {"model": "cnn", "batch_norm": True},
    "resnet A": {
        "model": "resnet",
        "model_args": to_canonical_json({"depth": 20, "shortcut": "A"}),
        "dropout": None,
    },
    "resnet B": {
        "model": "resnet",
        "model_args": to_canonical_json({"depth": 20, "shortcut": "B"}),
        "dropout": None,
    },
}
AUGMENT = {
    "random_crop": st.integers(1, 4),
    "horizontal_flip": st.sampled_from([0.1, 0.5, 1.0]),
    "cutout": st.integers(1, 6),
}


@pytest.mark.slow
@settings(
    max_examples=max(4, settings.default.max_examples // 15),  # each trains up to six runs
    derandomize=True,
    deadline=None,
    suppress_health_check=[*HealthCheck],
)
@given(
    network=st.sampled_from(list(NETWORKS)),
    optimizer=st.sampled_from(sorted(OPTIMIZERS)),
    augment=st.fixed_dictionaries({}, optional=AUGMENT),
    smooths=st.booleans(),
    clips=st.booleans(),
    cells=st.lists(
        st.tuples(st.floats(0.01, 0.5), st.floats(0.05, 20), st.integers(0, 2**63 - 1)),
        min_size=1,
        max_size=3,
        unique_by=lambda cell: cell[2],
    ),
)
@pytest.mark.usefixtures("double_precision")
def test_any_recipe_is_the_reference_s(network, optimizer, augment, smooths, clips, cells):
    (run,) = make_runs(optimizer, batch_norm=False, seeds=1)
    run = replace(run, **NETWORKS[network], augment=to_canonical_json(augment))
    together = [
        replace(
            run,
            label_smoothing=share if smooths else run.label_smoothing,
            clip_grad_norm=limit if clips else run.clip_grad_norm,
            seed=seed,
        )
        for share, limit, seed in cells
    ]
    assert_first_steps(together)
