"""`lrdecay new`: the file it writes is valid, explained, silent, and what was asked for."""

import itertools
from functools import cache
from pathlib import Path

import pytest
import torch
from helpers.commands import call
from helpers.tiers import slow_but
from helpers.training import digits

from lrdecay.components.datasets import sources
from lrdecay.components.datasets.dataset import Dataset, make_dataset
from lrdecay.sweep import schedule_lint
from lrdecay.sweep.matrix import expand_matrix
from lrdecay.sweep.network_lint import lint_networks
from lrdecay.sweep.reading import load_sweep, parse_sweep
from lrdecay.sweep.starter_file import DATASETS, DEFAULT_SCHEDULERS, SCHEDULERS, write_starter

SETS = [
    DEFAULT_SCHEDULERS,
    ("step", "cosine"),
    ("wsd",),
    ("plateau", "constant", "onecycle"),
    tuple(SCHEDULERS),
]
SHAPES = {"mnist": (60_000, 1, 28), "fashion_mnist": (60_000, 1, 28), "kmnist": (60_000, 1, 28)}
SHAPES |= {"cifar10": (50_000, 3, 32), "cifar100": (50_000, 3, 32), "svhn": (73_257, 3, 32)}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@cache
def images_of(name: str) -> Dataset:
    """As many images of the same shape as the dataset has."""
    if name == "digits":
        return digits()
    count, channels, size = SHAPES[name]
    images = torch.zeros(count, channels, size, size, dtype=torch.uint8)
    images[:8] = torch.randint(256, images[:8].shape, generator=torch.Generator().manual_seed(0))
    part = (images, torch.arange(count) % 10)
    return make_dataset(name, part, (images[:100], part[1][:100]))


def test_the_datasets_are_all_of_lrdecay_s_own():
    assert list(DATASETS) == ["digits", *sources._TORCHVISION]


def test_the_labels_are_those_of_the_sweep_of_all_families():
    families = load_sweep("families").schedulers
    started = parse_sweep(write_starter("digits", list(SCHEDULERS), "all.yaml")).schedulers
    assert {label: spec.class_ for label, spec in started.items()} == {
        label: spec.class_ for label, spec in families.items()
    }


@pytest.mark.parametrize("asked", SETS, ids=lambda labels: labels[0])
@pytest.mark.parametrize("dataset", slow_but(["digits", "cifar10"], DATASETS))
def test_it_parses_to_the_matrix_asked_for_and_warns_of_nothing(here, dataset, asked):
    written = call("new", "mine.yaml", "--dataset", dataset, "--schedulers", ",".join(asked))
    assert written.exit_code == 0, written.output
    sweep = load_sweep("mine.yaml")
    assert (sweep.name, sweep.dataset.name) == ("mine", dataset)
    assert tuple(sweep.schedulers) == asked
    assert (sweep.dropout, sweep.seeds) == ((0.0, 0.3), tuple(range(8)))
    assert sweep.comparison.reference == ("constant" if "constant" in asked else asked[0])
    assert sweep.comparison.margin == DATASETS[dataset].margin
    data = images_of(dataset)
    cells = expand_matrix(sweep, data).cells
    assert len(cells) == 2 * len(asked)
    planned = schedule_lint.simulate_schedules(cells, data.train_count - cells[0].validation)
    assert {each.label for each in planned} == set(asked) - {"greedy"}  # which needs the losses
    assert schedule_lint.lint_schedules(planned, sweep.schedulers) == []
    assert lint_networks(cells, data) == []


@pytest.mark.parametrize("asked", SETS[:2])
def test_the_command_plans_it_strictly_without_a_warning(asked):
    call("new", "mine.yaml", "--schedulers", ",".join(asked))
    planned = call("plan", "mine.yaml", "--strict", "--workers", 1)
    assert (planned.exit_code, planned.stderr) == (0, "")
    assert f"{2 * len(asked)} cells x 8 seeds = {16 * len(asked)} runs" in planned.stdout


@pytest.mark.parametrize("dataset", DATASETS)
def test_every_key_and_scheduler_is_explained_on_lines_of_100_characters(dataset):
    lines = write_starter(dataset, list(SCHEDULERS), "mine.yaml").splitlines()
    assert max(map(len, lines)) <= 100
    for before, line in itertools.pairwise(lines):
        key = line.split("#")[0].strip()
        if key and key != "optimizer:" and not key.startswith("then:"):  # whose parts are
            assert "#" in line or before.strip().startswith("#"), line


def test_what_is_printed_says_how_many_runs_and_what_comes_next():
    assert call("new", "my file.yml", "--schedulers", "constant, rex").output == (
        "my file.yml: 2 schedulers on digits at 2 dropout rates and 8 seeds: 32 runs\n"
        "Next:  lrdecay plan 'my file.yml'\n"
    )
    assert "lrdecay sweep 'my file.yml'" in Path("my file.yml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["a\nepochs: 3\n#.yaml", "#.yaml", "\x1b[31m.yaml", "é: x.yaml"])
def test_no_name_of_a_file_changes_what_is_in_it(here, name):
    assert call("new", name).exit_code == 0
    assert (
        load_sweep(here / name).axes()
        == parse_sweep(write_starter("digits", DEFAULT_SCHEDULERS, "mine.yaml")).axes()
    )
    assert (here / name).read_text(encoding="utf-8").splitlines()[5].startswith("dataset: digits ")


@pytest.mark.parametrize("there", ["a file", "a folder", "a link to nothing"])
def test_nothing_is_overwritten(here, there):
    path = here / "mine.yaml"
    if there == "a file":
        path.write_text("mine")
    elif there == "a folder":
        path.mkdir()
    else:
        path.symlink_to("elsewhere.yaml")
    refused = call("new", "mine.yaml")
    assert refused.exit_code == 2
    assert refused.output == "lrdecay: mine.yaml is there already; give another name\n"
    assert [each.name for each in here.iterdir()] == ["mine.yaml"]
    assert there != "a file" or path.read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mine.yaml", "--dataset", "mnits"], "--dataset: 'mnits' is unknown; did you mean mnist?"),
        (["mine.yaml", "--dataset", "imagenet"], "--dataset: 'imagenet' is unknown; choices: dig"),
        (["mine.yaml", "--schedulers", "stpe"], "--schedulers: 'stpe' is unknown; did you mean st"),
        (["mine.yaml", "--schedulers", "StepLR"], "'StepLR' is unknown; did you mean step? (choic"),
        (
            ["mine.yaml", "--schedulers", "WarmupLR"],
            "'WarmupLR' is unknown; did you mean warm_co",
        ),
        (["mine.yaml", "--schedulers", ""], "--schedulers: '' is unknown; choices: constant, step"),
        (["mine.yaml", "--schedulers", "step,,rex"], "--schedulers: '' is unknown; choices: const"),
        (["mine.yaml", "--schedulers", "rex,step,rex"], "--schedulers: rex is given 2 times"),
        (["mine"], "mine: a sweep file's name ends in .yaml, such as mine.yaml"),
        (["mine.txt"], "mine.txt: a sweep file's name ends in .yaml, such as mine.yaml"),
        (["nowhere/mine.yaml"], "nowhere/mine.yaml: No such file or directory"),
    ],
)
def test_bad_input_is_one_error_and_writes_nothing(here, arguments, message):
    refused = call("new", *arguments)
    assert refused.exit_code == 2
    assert message in refused.output
    assert refused.output.startswith("lrdecay: ")
    assert refused.output.count("\n") == 1
    assert list(here.iterdir()) == []
