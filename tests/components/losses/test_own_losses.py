"""Losses of plug-ins: what is refused, and that both engines minimise what the formula says."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers.pretended_training import assert_graphs_hold, some
from helpers.recipes import assert_first_steps, make_runs, read_losses, same_bits
from helpers.tiers import slow_but
from helpers.training import CPU, curve, data_of, digits, split

from lrdecay.components import rng
from lrdecay.components.losses.functions import LOSSES
from lrdecay.components.models import build
from lrdecay.components.optimizers.build import build_optimizer
from lrdecay.core.errors import InputError
from lrdecay.engine import reference
from lrdecay.engine.stacked import train
from lrdecay.sweep.matrix import list_runs
from lrdecay.sweep.reading import parse_sweep

OWN = """\
import torch
from torch.nn import functional as F


def focal(logits, labels):
    losses = F.cross_entropy(logits, labels, reduction="none")
    return (1 - (-losses).exp()) ** 2 * losses


def costly(logits, labels):
    costs = 1 - torch.eye(logits.shape[1], dtype=logits.dtype, device=logits.device)
    return (logits.softmax(1) @ costs).gather(1, labels[:, None]).squeeze(1)


LOSSES = {"focal": focal, "costly": costly}
"""
BASE = "dataset: digits\nschedulers: {c: {class: constant}}\n"


def list_all(line: str):
    return list_runs(parse_sweep(f"{BASE}loss: {line}\n"), digits())


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("class f: pass", "must be a function, not a class"),
        ("import torch; f = torch.nn.MSELoss()", "must be a class or a function, not MSELoss"),
        ("def f(logits): return logits", "must take (logits, labels): too many positional"),
        ("def f(logits, labels, gamma): return logits", "must take (logits, labels): missing a"),
    ],
)
def test_functions_that_are_no_losses(plug, code, message):
    with pytest.raises(InputError) as raised:
        plug(f'{code}\nLOSSES = {{"f": f}}\n')
    assert f"loss f: {message}" in str(raised.value)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return 1 / 0", "fails: ZeroDivisionError: division by zero (line 5 of own.py)"),
        ("return 0.5", "gives a float, and must give a tensor"),
        ("return F.cross_entropy(logits, labels)", "gives torch.float32 () for 6 images, and must"),
        (
            "return logits",
            "gives torch.float32 (6, 10) for 6 images, and must give",
        ),
        ("return logits.sum(1).double()", "gives torch.float64 (6,) for 6 images"),
        ("return labels.float()", "gives losses without a gradient"),
        ("return logits.sum(1) / 0", "gives losses that are not finite"),
        ("return logits.sum(1) * torch.rand(6)", "draws random numbers, and must give the same"),
        ("return logits.sum(1) * random.random()", "gives other losses each time"),
        (
            "return (logits - logits.mean(0)).sum(1)",
            "gives an image a loss that depends on the images beside it; the mean is taken later",
        ),
    ],
)
def test_losses_that_cannot_be_minimised_are_refused_before_anything_trains(plug, body, message):
    text = "import random\nimport torch\nfrom torch.nn import functional as F\n"
    plug(f'{text}def f(logits, labels):\n    {body}\nLOSSES = {{"f": f}}\n')
    before = torch.get_rng_state()
    with pytest.raises(InputError) as raised:
        list_all("f")
    found = re.sub(r"(of )\S*(own\.py)", r"\1\2", str(raised.value))
    assert found.startswith("digits: the plug-in loss f of own.py")
    assert message in found
    assert torch.equal(torch.get_rng_state(), before)


def test_one_may_be_for_as_many_classes_as_there_are(plug):
    plug(
        "import torch\nfrom torch.nn import functional as F\ndef f(logits, labels):\n"
        "    weight = torch.arange(10.0).to(logits)\n"
        '    return F.cross_entropy(logits, labels, weight, reduction="none")\n'
        'LOSSES = {"f": f}\n'
    )
    assert list_all("f")[0].loss_function == "f"


def test_names_are_an_axis_and_code_counts(plug, fresh):
    plug(OWN)
    runs = {run.loss_function: run for run in list_all("[cross_entropy, focal, costly]")}
    assert list(runs) == ["cross_entropy", "focal", "costly"]
    (plain,) = list_runs(parse_sweep(BASE), digits())
    assert runs["cross_entropy"] == plain
    assert list(json.loads(runs["focal"].plugins)) == ["loss focal"]
    assert parse_sweep(f"{BASE}loss: {{name: [focal, costly]}}\n").cells == 2
    fresh()
    plug(OWN.replace("** 2", "** 5"))
    (changed,) = list_all("focal")
    assert changed.run_id != runs["focal"].run_id
    assert replace(changed, plugins=runs["focal"].plugins) == runs["focal"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("focall", "3:7: loss: 'focall' is unknown; did you mean focal?"),
        (
            "{name: focal, label_smoothing: 0.1}",
            "loss.label_smoothing: is of cross_entropy alone; focal has none",
        ),
        ("{name: [cross_entropy, focal], label_smoothing: [0, 0.1]}", "focal has none"),
        ("{name: focal, gamma: 2}", "the key 'gamma' is unknown; choices: name, label_smoothing"),
    ],
)
def test_mistakes_are_told(plug, line, message):
    plug(OWN)
    with pytest.raises(InputError) as raised:
        list_all(line)
    assert message in str(raised.value)
    assert len(list_all("{name: focal, label_smoothing: 0}")) == 1


def test_training_minimises_it_and_evaluations_do_not(plug):
    plug(OWN)
    (run,) = make_runs("nesterov", batch_norm=False, seeds=1, epochs=1)
    run, data = replace(run, dropout=0.0, loss_function="focal"), data_of(run)
    model = build.build_network(run, data.shape, data.classes)
    optimizer = build_optimizer(run.optimizer, model.parameters(), run.lr, run.optimizer_arguments)
    losses, sizes = [], []
    for batch in rng.draw_order(run.seed, 0, len(data.train)).split(16):
        logs = F.log_softmax(model(data.train.images[batch]), 1)
        of_label = logs.gather(1, data.train.labels[batch][:, None])
        loss = -((1 - of_label.exp()) ** 2 * of_label).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        sizes.append(len(batch))
    assert read_losses(run) == pytest.approx(losses, rel=1e-4)
    with torch.no_grad():
        plain = F.cross_entropy(model(data.test.images), data.test.labels).item()
    (stacked,) = train.train_stacked([run], data, CPU)
    for record in (reference.train_one(run, data, CPU), stacked):
        mean = np.average(losses, weights=sizes)
        assert curve(record, "train") == pytest.approx([mean], rel=1e-3)
        assert curve(record, "test") == pytest.approx([plain], rel=1e-3)


@pytest.mark.parametrize("loss", slow_but(["focal"], ["focal", "costly"]))
@pytest.mark.usefixtures("double_precision")
def test_the_first_steps_are_those_of_the_reference(plug, loss):
    plug(OWN)
    runs = make_runs("adam", batch_norm=False, seeds=3)
    assert_first_steps([replace(run, loss_function=loss) for run in runs])


@pytest.mark.slow
def test_a_run_is_the_same_to_the_bit_alone_and_in_any_company(plug):
    plug(OWN)
    runs = make_runs("adam", batch_norm=False, seeds=4, epochs=1)
    together = [replace(run, loss_function="costly", lr=0.01) for run in runs]
    whole = train.train_stacked(together, split(239), CPU)
    for places in ([0], [3, 1], [2, 0, 1]):
        found = train.train_stacked([together[place] for place in places], split(239), CPU)
        for place, record in zip(places, found, strict=True):
            assert same_bits(record, whole[place])
    assert len({json.dumps(record.epochs) for record in whole}) == 4


def test_on_a_cpu_it_is_given_the_images_of_one_run(plug):
    """So that its bits are those of the reference engine whatever it computes."""
    plug(
        "seen = set()\ndef f(logits, labels):\n    seen.add(len(logits))\n"
        '    return logits.sum(1)\nLOSSES = {"f": f}\n'
    )
    runs = make_runs("adam", batch_norm=False, seeds=4, epochs=1)
    train.train_stacked([replace(run, loss_function="f") for run in runs], split(239), CPU)
    images = len(split(239).train)
    assert LOSSES["f"].__globals__["seen"] == {16, images % 16 or 16}


@pytest.mark.parametrize("loss", slow_but(["focal"], ["focal", "costly"]))
def test_a_step_is_a_graph(plug, loss):
    plug(OWN)
    runs = some("seeds: 3\ndropout: 0.4")
    assert_graphs_hold([replace(run, loss_function=loss) for run in runs])
