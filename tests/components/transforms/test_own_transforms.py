"""Transforms of plug-ins: what is refused, what a sweep file gives them, and that engines agree."""

import json
import re
from dataclasses import replace

import pytest
import torch
from helpers.pretended_training import assert_graphs_hold, some
from helpers.recipes import assert_first_steps, make_runs, same_bits
from helpers.training import CPU, digits, split

from lrdecay.components import rng
from lrdecay.components.transforms.augmentation import TRANSFORMS, Augmentation
from lrdecay.components.transforms.draw import Draw
from lrdecay.core.errors import InputError
from lrdecay.engine.stacked import train
from lrdecay.sweep.matrix import list_runs
from lrdecay.sweep.reading import parse_sweep

OWN = """\
import numpy as np
import torch
from torch.nn import functional as F


def noise(images, draw, strength: float):
    uniforms = draw(images[0].numel()).view(images.shape)
    return images + strength * (2 * uniforms - 1)


def blur(images, draw):
    kernel = torch.full((images.shape[1], 1, 3, 3), 1 / 9, dtype=images.dtype, device=images.device)
    soft = F.conv2d(images, kernel, padding=1, groups=images.shape[1])
    return torch.where(draw(1).view(-1, 1, 1, 1) < 0.5, soft, images)


def shift(images, draw, by: int):
    return images.roll(by, 3)


TRANSFORMS = {"noise": noise, "blur": blur, "shift": shift}
"""
BASE = "dataset: digits\nschedulers: {c: {class: constant}}\n"


def list_augments(line: str) -> list[str]:
    return [run.augment for run in list_runs(parse_sweep(f"{BASE}augment: {line}\n"), digits())]


def refusal(line: str) -> str:
    with pytest.raises(InputError) as raised:
        list_augments(line)
    return str(raised.value)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("class t: pass", "must be a function, not a class"),
        ("t = 3", "must be a class or a function, not int"),
        ("def t(images): return images", "must take (images, draw), and one argument more at most"),
        ("def t(draw, images): return images", "must take (images, draw), and one argument more"),
        ("def t(images, draw, a: int, b: int): return images", "must take (images, draw), and one"),
        ("def t(images, draw, a=1): return images", "its argument a has no type; give it one"),
        ("def t(images, draw, *a): return images", "takes *a; name the arguments that a sweep"),
        (
            "def t(images, draw, a: list[int]): return images",
            "its argument a is of a type that no sweep file can give; use bool, int, float, str",
        ),
        ("def t(images, draw, a: 'flot'): return images", "the types of its arguments are not"),
    ],
)
def test_functions_that_are_no_transforms(plug, code, message):
    with pytest.raises(InputError) as raised:
        plug(f'{code}\nTRANSFORMS = {{"t": t}}\n')
    assert f"transform t: {message}" in str(raised.value)


def test_a_name_of_lrdecay_s_own_is_taken(plug):
    with pytest.raises(InputError, match="transform cutout: exists already, in lrdecay"):
        plug('def t(images, draw): return images\nTRANSFORMS = {"cutout": t}\n')


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return 1 / 0", "fails: ZeroDivisionError: division by zero (line 4 of own.py)"),
        ("raise SystemExit(3)", "fails: SystemExit: 3 (line 4 of own.py)"),
        ("return None", "gives a NoneType, and must give images"),
        (
            "return images[:, :, 1:]",
            "makes torch.float32 (6, 1, 7, 8) of torch.float32 (6, 1, 8, 8), and must give what it",
        ),
        (
            "return images.double()",
            "makes torch.float64 (6, 1, 8, 8) of torch.float32 (6",
        ),
        ("return images / 0", "makes numbers that are not finite"),
        (
            "return images + torch.rand(())",
            "draws from torch's own generator; take random numbers from draw, which is seeded",
        ),
        (
            "return images + random.random()",
            "makes other images each time; take random numbers from draw, which is seeded",
        ),
        (
            "return images - images.mean()",
            "makes of an image what depends on the images beside it; change each by itself",
        ),
        ("return images + torch.arange(6.0).view(-1, 1, 1, 1)", "fails: RuntimeError: "),
    ],
)
def test_transforms_that_cannot_be_used_are_refused_before_anything_trains(plug, body, message):
    plug(
        f'import random\nimport torch\ndef t(images, draw):\n    {body}\nTRANSFORMS = {{"t": t}}\n'
    )
    before = torch.get_rng_state()
    found = re.sub(r"(of )\S*(own\.py)", r"\1\2", refusal("{t: true}"))
    assert found.startswith("digits: the plug-in transform t of own.py")
    assert message in found
    assert torch.equal(torch.get_rng_state(), before)
    assert list_augments("{t: false}") == ["{}"]  # it is not even tried


def test_what_a_sweep_file_gives(plug):
    plug(OWN)
    assert list_augments("{noise: 1}") == ['{"noise":1.0}']
    assert list_augments("{noise: [none, 0.5, 0]}") == ["{}", '{"noise":0.5}', '{"noise":0.0}']
    assert list_augments("{blur: [true, false]}") == ['{"blur":true}', "{}"]
    assert list_augments("{shift: [1, none], cutout: 2}") == [
        '{"cutout":2,"shift":1}',
        '{"cutout":2}',
    ]
    for line, message in (
        ("{noise: loud}", "augment.noise: must be a number, not 'loud'"),
        ("{shift: 0.5}", "augment.shift: must be a whole number, not 0.5"),
        ("{blur: 3}", "augment.blur: must be true or false, not 3"),
        ("{blurr: true}", "the key 'blurr' is unknown; did you mean blur?"),
    ):
        assert message in refusal(line)


@pytest.mark.parametrize("name", ["copy", "model_x", "a-b.c", "json", "random"])
def test_any_name_will_do(plug, name):
    plug(f'def t(images, draw, by: float): return images\nTRANSFORMS = {{"{name}": t}}\n')
    assert list_augments(f"{{{name}: [0.5, none]}}") == [f'{{"{name}":0.5}}', "{}"]


def test_its_code_counts_for_the_runs_that_use_it(plug, fresh):
    def list_ids() -> dict[str, tuple[str, str]]:
        runs = list_runs(parse_sweep(f"{BASE}augment: {{noise: [none, 0.5]}}\n"), digits())
        return {run.augment: (run.run_id, run.plugins) for run in runs}

    plug(OWN)
    before = list_ids()
    fresh()
    plug(OWN.replace("2 * uniforms - 1", "uniforms"))
    after = list_ids()
    assert before["{}"] == after["{}"]
    assert before["{}"][1] == "{}"
    used = '{"noise":0.5}'
    assert before[used][0] != after[used][0]
    assert list(json.loads(before[used][1])) == ["transform noise"]


GIVEN = '{"blur":true,"horizontal_flip":0.5,"noise":0.25,"random_crop":2}'


def test_they_come_after_lrdecay_s_own_by_name_with_draws_of_their_own(plug):
    plug(OWN)
    images, batch = split().train.images, torch.arange(30)

    def apply(given: str):
        augmentation = Augmentation(json.loads(given), (0.0,), images)
        return augmentation.apply(images[batch], batch, augmentation.make_keys([4], 2, CPU)[:, 0])

    soft = apply('{"blur":true,"horizontal_flip":0.5,"random_crop":2}')
    (key,) = rng.make_keys([4], "augment/noise")
    keys = rng.derive_keys(rng.derive_keys(key, torch.tensor(2)), batch)
    uniforms = Draw(keys)(64).view(30, 1, 8, 8)
    assert torch.equal(apply(GIVEN), soft + 0.25 * (2 * uniforms - 1))
    assert not torch.equal(soft, apply('{"horizontal_flip":0.5,"random_crop":2}'))


@pytest.mark.usefixtures("double_precision")
def test_the_first_steps_are_those_of_the_reference(plug):
    plug(OWN)
    runs = make_runs("adam", batch_norm=False, seeds=3)
    assert_first_steps([replace(run, augment=GIVEN) for run in runs])


@pytest.mark.slow
def test_a_run_is_the_same_to_the_bit_alone_and_in_any_company(plug):
    plug(OWN)
    runs = make_runs("adam", batch_norm=False, seeds=4, epochs=1)
    together = [replace(run, augment=GIVEN) for run in runs]
    whole = train.train_stacked(together, split(239), CPU)
    for places in ([0], [3, 1], [2, 0, 1]):
        found = train.train_stacked([together[place] for place in places], split(239), CPU)
        for place, record in zip(places, found, strict=True):
            assert same_bits(record, whole[place])
    assert len({json.dumps(record.epochs) for record in whole}) == 4


def test_on_a_cpu_it_is_given_the_images_of_one_run(plug):
    """So that its bits are those of the reference engine whatever it computes."""
    plug(
        "seen = set()\ndef t(images, draw):\n    seen.add(len(images))\n    return images\n"
        'TRANSFORMS = {"t": t}\n'
    )
    runs = make_runs("adam", batch_norm=False, seeds=4, epochs=1)
    train.train_stacked([replace(run, augment='{"t":true}') for run in runs], split(239), CPU)
    images = len(split(239).train)
    assert TRANSFORMS["t"].__globals__["seen"] == {16, images % 16 or 16}


def test_a_step_is_a_graph(plug):
    plug(OWN)
    assert_graphs_hold([replace(run, augment=GIVEN) for run in some("seeds: 3\ndropout: 0.4")])
