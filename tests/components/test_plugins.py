"""Plug-ins: the example from elsewhere, what counts for identity, and what is refused."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from helpers.paths import HOME
from helpers.tiers import slow_but
from helpers.training import CPU, digits, split, sweep
from torch.nn import Parameter
from typer.testing import CliRunner

from lrdecay.cli.app import app
from lrdecay.components import plugins, registry
from lrdecay.components.datasets import sources
from lrdecay.components.datasets.spec import DatasetSpec
from lrdecay.components.optimizers.build import build_optimizer
from lrdecay.core.errors import InputError, WorkerError
from lrdecay.core.run import to_canonical_json
from lrdecay.engine import reference
from lrdecay.engine.stacked import train
from lrdecay.execution import grouping
from lrdecay.runner.coordinator import run_sweep
from lrdecay.store.reader import read_epochs, read_runs
from lrdecay.sweep.diagnostics import SweepFileError
from lrdecay.sweep.matrix import list_runs
from lrdecay.sweep.reading import parse_sweep

EXAMPLE = HOME / "examples" / "plugin"
POWERS = (EXAMPLE / "powers.py").read_text()


pytestmark = pytest.mark.usefixtures("fresh")


def refusal(text: str, tmp_path: Path) -> str:
    """What is said of a file of this text, without its path."""
    path = tmp_path / "own.py"
    path.write_text(text)
    before = [dict(registry.REGISTRIES[kind]) for kind in registry.KINDS]
    with pytest.raises(InputError) as caught:
        plugins.load_plugins([path])
    assert [dict(registry.REGISTRIES[kind]) for kind in registry.KINDS] == before
    assert plugins.list_loaded() == plugins.Loaded()
    return str(caught.value).replace(str(path), "own.py")


# The example


def program(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(HOME), "COLUMNS": "200"}
    command = [sys.executable, "-m", "lrdecay", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("engine", "workers"),
    slow_but([], [("reference", "1"), ("stacked", "0")], soak=[("reference", "1")]),
)
def test_the_example_works_from_elsewhere(tmp_path, engine, workers):
    folder = tmp_path / "elsewhere"
    shutil.copytree(EXAMPLE, folder)
    text = (folder / "sweep.yaml").read_text()
    assert "epochs: 16" in text
    assert "seeds: 8" in text
    short = text.replace("epochs: 16", "epochs: 5").replace("seeds: 8", "seeds: 1")
    (folder / "sweep.yaml").write_text(short)
    options = ("--workers", workers, "--engine", engine, "--device", "cpu")
    done = program("sweep", "sweep.yaml", "--plugin", "powers.py", *options, folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    results = folder / "results" / "plugin"
    epochs = read_epochs(results)
    for label, share in (
        ("powers", lambda t: 0.5 ** sum(2**n <= t for n in range(10))),
        ("step", lambda t: 0.5 ** (t // 4)),
    ):
        of_label = epochs[(epochs["scheduler"] == label) & (epochs["split"] == "test")]
        rates = of_label["learning_rate"].tolist()
        assert rates == pytest.approx([0.003 * share(t) for t in range(5)], rel=1e-12)
    runs = read_runs(results).set_index("scheduler")
    assert set(runs["status"]) == {"completed"}
    assert set(runs["engine"]) == {engine}
    assert runs.loc["step", "plugins"] == "{}"
    assert list(json.loads(runs.loc["powers", "plugins"])) == ["scheduler PowersLR"]
    assert not list(folder.rglob("*.pyc"))


def test_the_example_is_ten_lines_and_the_one_in_the_readme():
    _, code = POWERS.split("\n\n", 1)
    assert len([line for line in code.splitlines() if line]) <= 10
    assert f"```python\n{code}```" in (HOME / "README.md").read_text()
    page = (EXAMPLE / "README.md").read_text()
    assert set(re.findall(r"\]\((.*?)\)", page)) == {"greedy.py", "powers.py", "sweep.yaml"}


def test_the_command_line_lists_a_plug_in_s_schedulers():
    path = str(EXAMPLE / "powers.py")
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["schedulers", "--plugin", path])
    assert re.search(r"PowersLR +epoch +gamma=0.5", result.output)
    one = CliRunner().invoke(app, ["schedulers", "PowersLR", "--plugin", path])
    assert "share(t) = gamma ** n" in one.output
    unknown = CliRunner().invoke(app, ["schedulers", "--plugin", "nowhere.py"])
    assert unknown.exit_code == 2
    assert unknown.output == "lrdecay: plug-in nowhere.py: No such file or directory\n"


def test_train_takes_a_plug_in():
    options = ["--plugin", str(EXAMPLE / "powers.py"), "--scheduler", "PowersLR", "--epochs", "3"]
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["train", *options])
    assert re.findall(r"learning rate (\S+);", result.output) == ["0.001", "0.0005", "0.00025"]


# Identity


def powers_run(path: Path):
    plugins.load_plugins([path])
    (run,) = list_runs(sweep("", "schedulers: {p: {class: PowersLR}}\n"), digits())
    return run


def test_a_run_s_identity_is_of_the_code_and_not_of_its_place(tmp_path, fresh):
    first = powers_run(EXAMPLE / "powers.py")
    fresh()
    moved = tmp_path / "other.py"
    moved.write_text(POWERS)
    assert powers_run(moved).run_id == first.run_id
    fresh()
    moved.write_text(POWERS.replace("t.bit_length()", "(t + 1).bit_length()"))
    changed = powers_run(moved)
    assert changed.scheduler_args == first.scheduler_args
    assert changed.run_id != first.run_id


def test_runs_without_a_plug_in_do_not_change_with_it():
    text = "dropout: 0.3\nepochs: 2\n"
    before = [run.run_id for run in list_runs(sweep(text), digits())]
    plugins.load_plugins([EXAMPLE / "powers.py"])
    assert [run.run_id for run in list_runs(sweep(text), digits())] == before
    assert {run.plugins for run in list_runs(sweep(text), digits())} == {"{}"}


def test_nested_schedulers_count_too():
    plugins.load_plugins([EXAMPLE / "powers.py"])
    own = powers_run(EXAMPLE / "powers.py").plugins
    nested = "schedulers: {w: {class: WarmupLR, warmup_iters: 5, then: {class: PowersLR}}}\n"
    (run,) = list_runs(sweep("", nested), digits())
    assert run.plugins == own != "{}"


def test_code_that_is_defined_elsewhere_counts(tmp_path, fresh, monkeypatch):
    (tmp_path / "defined_there.py").write_text(POWERS)
    (tmp_path / "own.py").write_text("from defined_there import SCHEDULERS\n")
    found = []
    for text in (POWERS, POWERS.replace("gamma **", "2 * gamma **")):
        monkeypatch.syspath_prepend(tmp_path)
        (tmp_path / "defined_there.py").write_text(text + "#" * len(found))
        sys.modules.pop("defined_there", None)
        found.append(powers_run(tmp_path / "own.py").run_id)
        fresh()
    sys.modules.pop("defined_there", None)
    assert found[0] != found[1]


@pytest.mark.slow
def test_a_file_that_changed_is_refused_by_this_process_and_by_workers(tmp_path, plug):
    path = plug(POWERS)
    plugins.load_plugins([path])  # again: nothing happens
    there = plugins.list_loaded()
    assert there.given == (str(path),)
    file = tmp_path / "small.yaml"
    file.write_text(
        "dataset: digits\nepochs: 1\nschedulers: {p: {class: PowersLR}, c: {class: constant}}\n"
    )
    summary = run_sweep(file, tmp_path / "a", workers=1, device="cpu", engine="reference")
    assert (summary.completed, summary.failed) == (2, 0)
    path.write_text(POWERS + "# more\n")
    with pytest.raises(InputError, match=r"own.py: has changed since it was loaded; start again$"):
        plugins.load_plugins([path])
    with pytest.raises(
        WorkerError, match="plug-in scheduler PowersLR has changed since the sweep began"
    ):
        run_sweep(file, tmp_path / "b", workers=1, device="cpu", engine="reference")


@pytest.mark.slow
def test_run_sweep_takes_plug_ins_and_its_workers_find_modules(tmp_path, monkeypatch):
    (tmp_path / "own_module.py").write_text(POWERS)
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "small.yaml"
    file.write_text("dataset: digits\nepochs: 2\nschedulers: {p: {class: PowersLR}}\n")
    try:
        summary = run_sweep(
            file, tmp_path, workers=1, device="cpu", engine="reference", plugins=["own_module"]
        )
    finally:
        sys.modules.pop("own_module", None)
    epochs = read_epochs(summary.folder)
    assert epochs[epochs["split"] == "val"]["learning_rate"].tolist() == [0.001, 0.0005]


# Installed plug-ins


def install(folder: Path, lines: str) -> None:
    info = folder / "own_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(lines)


@pytest.mark.slow
def test_entry_points_need_no_option(tmp_path, monkeypatch):
    (tmp_path / "own_package.py").write_text(POWERS)
    install(tmp_path, "[lrdecay.schedulers]\nInstalledLR = own_package:powers_lr\n")
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "small.yaml"
    file.write_text("dataset: digits\nepochs: 2\nschedulers: {p: {class: InstalledLR}}\n")
    try:
        summary = run_sweep(file, tmp_path, workers=1, device="cpu", engine="reference")
    finally:
        sys.modules.pop("own_package", None)
    epochs = read_epochs(summary.folder)
    assert epochs[epochs["split"] == "val"]["learning_rate"].tolist() == [0.001, 0.0005]
    (given,) = read_runs(summary.folder)["plugins"]
    assert list(json.loads(given)) == ["scheduler InstalledLR"]


NAMES_X = "dataset: digits\nmodel: x\nschedulers: {c: {class: constant}}\n"
NAMES_NINE = NAMES_X.replace("model: x", "optimizer: {name: [Adam, Nine]}")
NAMES_STEP = (
    "dataset: digits\n"
    "schedulers: {w: {class: WarmupLR, warmup_iters: 1, then: {class: StepLR, step_size: 1}}}\n"
)


@pytest.mark.parametrize(
    ("line", "text", "message"),
    [
        (
            "[lrdecay.models]\nx = absent_package:thing\n",
            NAMES_X,
            "entry point x = absent_package:thing of own-package (lrdecay.models): cannot be "
            "loaded: ModuleNotFoundError: No module named 'absent_package'",
        ),
        (
            "[lrdecay.optimizers]\nNine = math:pi\n",
            NAMES_NINE,
            "plug-in entry point Nine = math:pi of own-package: optimizer Nine: must be a class "
            "or a function, not float",
        ),
        (
            "[lrdecay.schedulers]\nStepLR = torch.optim.lr_scheduler:StepLR\n",
            NAMES_STEP,
            "plug-in entry point StepLR = torch.optim.lr_scheduler:StepLR of own-package: "
            "scheduler StepLR: exists already, in lrdecay; give it another name",
        ),
    ],
)
def test_a_broken_entry_point_is_one_clear_error(tmp_path, monkeypatch, line, text, message):
    install(tmp_path, line)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "named.yaml").write_text(text)
    for _ in range(2):  # it does not go away
        result = CliRunner().invoke(app, ["plan", str(tmp_path / "named.yaml")])
        assert (result.exit_code, result.output) == (2, f"lrdecay: {message}\n")
    assert CliRunner().invoke(app, ["--help"]).exit_code == 0
    (tmp_path / "other.yaml").write_text("dataset: digits\nschedulers: {c: {class: constant}}\n")
    other = CliRunner().invoke(app, ["plan", str(tmp_path / "other.yaml")])
    assert other.exit_code == 0, other.output


@pytest.mark.parametrize("breaks", ["1 / 0", "raise SystemExit(3)", "import time; time.sleep(600)"])
def test_an_entry_point_that_nobody_names_is_not_loaded(tmp_path, monkeypatch, breaks):
    (tmp_path / "own_package.py").write_text(f"{breaks}\n")
    things = "".join(
        f"[lrdecay.{registry.plural(kind)}]\nMine = own_package:Mine\n" for kind in registry.KINDS
    )
    install(tmp_path, things)
    monkeypatch.syspath_prepend(tmp_path)
    text = "dataset: digits\nepochs: 1\nschedulers: {Mine: {class: constant}, s: {class: RexLR}}\n"
    (tmp_path / "small.yaml").write_text(text)
    summary = run_sweep(tmp_path / "small.yaml", tmp_path, workers=0, device="cpu")
    assert (summary.completed, summary.failed) == (2, 0)
    listed = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["schedulers"])
    assert re.search(r"^Mine +installed: own_package:Mine *$", listed.output, re.M)
    assert "own_package" not in sys.modules
    assert registry.PLUGGED == {}


def test_an_entry_point_is_known_by_its_name_before_it_is_loaded(tmp_path, monkeypatch):
    (tmp_path / "own_package.py").write_text(POWERS)
    install(tmp_path, "[lrdecay.schedulers]\nInstalledLR = own_package:powers_lr\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SweepFileError, match="'InstaledLR' is unknown; did you mean InstalledLR"):
        parse_sweep("dataset: digits\nschedulers: {a: {class: InstaledLR}}\n")
    assert "own_package" not in sys.modules
    held = "{class: WarmupLR, warmup_iters: 1, then: {class: InstalledLR, gamma: 0.5}}"
    try:
        found = parse_sweep(f"dataset: digits\nschedulers: {{a: {held}}}\n")
        one = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["schedulers", "InstalledLR"])
    finally:
        sys.modules.pop("own_package", None)
    assert list(found.schedulers) == ["a"]
    assert re.search(r"InstalledLR +epoch +gamma=0.5", one.output)
    assert list(registry.PLUGGED) == [("scheduler", "InstalledLR")]


# What is refused


IMPORTS = """\
from collections.abc import Callable
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, ReduceLROnPlateau, StepLR
"""
NO_SCHEDULER = "must be a subclass of torch.optim.lr_scheduler.LRScheduler, or a function that "


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\ny = z\n", "cannot be imported: NameError: name 'z' is not defined (line 2 of"),
        ("def f(:\n", "cannot be imported: SyntaxError: "),
        ("raise SystemExit(3)\n", "cannot be imported: SystemExit: 3 (line 1 of own.py)"),
        (
            "x = 1\n",
            "gives nothing; it needs one of the dicts SCHEDULERS, MODELS, DATASETS, OPTIMIZERS, "
            'TRANSFORMS, LOSSES, TRAINERS, such as SCHEDULERS = {"MyLR": MyLR}',
        ),
        ("MODELS = [1]\n", "MODELS must be a dict of names"),
        ("MODELS = {1: 1}\n", "MODELS must be a dict of names"),
        ('MODELS = {"m": 1}\n', "model m: must be a class or a function, not int"),
    ],
)
def test_files_that_are_no_plug_ins(tmp_path, text, message):
    assert refusal(text, tmp_path).startswith(f"plug-in own.py: {message}")


@pytest.mark.parametrize("name", ["a b", "../x", "1e3", "", "x" * 65, "é", "a\n"])
def test_odd_names(tmp_path, name):
    assert refusal(f"{IMPORTS}SCHEDULERS = {{{name!r}: StepLR}}\n", tmp_path) == (
        f"plug-in own.py: scheduler {name!r} is no name; begin with a letter, go on with letters, "
        f"digits, '.', '_' and '-', 64 at most"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "class X: ...",
            NO_SCHEDULER + "returns one; a class of another kind must have step and needs",
        ),
        ("def X(opt: Optimizer): ...", "its first argument must be optimizer"),
        ("def X(): ...", "its first argument must be optimizer"),
        (
            "def X(optimizer, gamma=0.5): ...",
            "its argument gamma has no type; give it one, such as float",
        ),
        (
            "def X(optimizer, **more): ...",
            "takes **more; name the arguments that a sweep file may give",
        ),
        (
            "X = LambdaLR",
            "its argument lr_lambda is a function, which no sweep file can give; "
            "write a function around it",
        ),
        (
            "def X(optimizer, interval: str): ...",
            "its argument interval has a meaning in sweep files; name it otherwise",
        ),
        (
            "class X(ReduceLROnPlateau):\n"
            "    def __init__(self, optimizer, monitor: str): super().__init__(optimizer)",
            "its argument monitor has a meaning in sweep files; name it otherwise",
        ),
        (
            "class X(StepLR): interval = 'batch'",
            "its interval must be 'epoch' or 'step', not 'batch'",
        ),
        (
            "def X(optimizer, a: 'Nowhere'): ...",
            "the types of its arguments are not understood: name 'Nowhere' is not defined",
        ),
    ],
)
def test_schedulers_that_are_none(tmp_path, text, message):
    text = f"{IMPORTS}{text}\nSCHEDULERS = {{'Fine': StepLR, 'X': X}}\n"
    assert refusal(text, tmp_path) == f"plug-in own.py: scheduler X: {message}"


PLATEAUS = """
from torch.optim.lr_scheduler import ReduceLROnPlateau


class Free(ReduceLROnPlateau):
    def __init__(self, optimizer, mode: str = "min", patience: int = 0) -> None:
        super().__init__(optimizer, mode, factor=0.5, patience=patience)


class Falls(ReduceLROnPlateau):
    def __init__(self, optimizer) -> None:
        super().__init__(optimizer, "min")


class Rises(ReduceLROnPlateau):
    def __init__(self, optimizer) -> None:
        super().__init__(optimizer, "max")


SCHEDULERS = {"Free": Free, "Falls": Falls, "Rises": Rises}
"""


def test_a_plateau_of_one_s_own_may_monitor_the_accuracy(plug):
    plug(PLATEAUS)
    monitored = "monitor: val_accuracy"
    given = f"schedulers: {{a: {{class: Free, {monitored}, patience: 10%}}}}\n"
    [run] = list_runs(sweep("epochs: 3\n", given), digits())
    assert json.loads(run.scheduler_args) == {
        "mode": "max",
        "monitor": "val_accuracy",
        "patience": 1,
        "interval": "epoch",
    }
    record = reference.train_one(run, split(run.validation), CPU)
    assert record.run["status"] == "completed"
    [run] = list_runs(sweep("", "schedulers: {a: {class: Free}}\n"), digits())
    assert json.loads(run.scheduler_args) == {"mode": "min", "patience": 0, "interval": "epoch"}
    [run] = list_runs(sweep("", f"schedulers: {{a: {{class: Rises, {monitored}}}}}\n"), digits())
    assert json.loads(run.scheduler_args) == {"monitor": "val_accuracy", "interval": "epoch"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("class: Falls, monitor: val_accuracy", "its mode is min, and for the validation accuracy"),
        ("class: Rises", "its mode is max, and for the validation loss it must be min"),
        ("class: Free, mode: max", "mode: max is for what rises, and the validation loss falls"),
        ("class: Free, mode: min, monitor: val_accuracy", "mode: min is for what falls, and the"),
        ("class: Free, interval: step", "interval: the validation loss is measured after every"),
    ],
)
def test_a_plateau_that_takes_the_wrong_way_for_the_better_is_refused(plug, given, message):
    plug(PLATEAUS)
    with pytest.raises(SweepFileError, match=message):
        sweep("", f"schedulers: {{a: {{{given}}}}}\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "class X: ...",
            "must be a subclass of torch.nn.Module, or a function that returns one",
        ),
        (
            "def X(shape): ...",
            "must take (shape, classes, dropout): too many positional arguments",
        ),
        (
            "def X(shape, classes, dropout, epochs: int = 3): ...",
            "its argument epochs has a meaning already; name it otherwise",
        ),
        (
            "def X(shape, classes, dropout, width: int = 'much'): ...",
            "a default is not of its argument's type: Input should be a valid integer, unable to "
            "parse string as an integer",
        ),
        (
            "def X(shape, classes, dropout, width: 'Unknown' = 3): ...",
            "the types of its arguments are not understood: name 'Unknown' is not defined",
        ),
    ],
)
def test_models_that_are_none(tmp_path, text, message):
    text = f"{IMPORTS}{text}\nMODELS = {{'X': X}}\n"
    assert refusal(text, tmp_path) == f"plug-in own.py: model X: {message}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def X(params, lr): ...", "must be a subclass of torch.optim.Optimizer"),
        ("    def __init__(self, params): ...", "must take lr"),
        (
            "    def __init__(self, params, lr, rho: float): ...",
            "its argument rho has no default; give it one",
        ),
        (
            "    def __init__(self, params, lr, rho=1): ...",
            "its argument rho has no type; give it one, such as int",
        ),
        (
            "    def __init__(self, params, lr, epochs: int = 3): ...",
            "its argument epochs has a meaning already; name it otherwise",
        ),
        (
            "    def __init__(self, params, lr, momentum: float | None = None): ...",
            "its argument momentum must be a number by default, such as 0.0",
        ),
        (
            "    def __init__(self, params, lr, rho: float = None): ...",
            "a default is not of its argument's type: Input should be a valid number",
        ),
    ],
)
def test_optimizers_that_are_none(tmp_path, text, message):
    head = "class X(Optimizer):\n" if text.startswith(" ") else ""
    text = f"{IMPORTS}{head}{text}\nOPTIMIZERS = {{'X': X}}\n"
    assert refusal(text, tmp_path) == f"plug-in own.py: optimizer X: {message}"


@pytest.mark.parametrize("hint", ["torch.flot", "float |"])
def test_types_that_are_not_understood_leave_nothing_behind(tmp_path, hint):
    head = f"from __future__ import annotations\nimport torch\n{IMPORTS}"
    text = f"{head}def X(optimizer, x: '{hint}' = 1.0): ...\nSCHEDULERS = {{'X': X}}\n"
    for _ in range(2):  # the second time it is as unknown as the first
        assert refusal(text, tmp_path).startswith(
            "plug-in own.py: scheduler X: the types of its arguments are not understood: "
        )


OWN_TYPES = """
{IMPORTS}
class Adan(Optimizer):
    def __init__(self, params, lr: float, betas: tuple[float, float, float] = (0.98, 0.92, 0.99),
                 alpha: float = 0.5, r: int = 3, momentum: float = 0.9, nesterov: bool = False,
                 decay_biases: bool = True):
        super().__init__(params, {'lr': lr, 'given': [betas, alpha, r, nesterov, decay_biases]})
    def step(self): ...
OPTIMIZERS = {'Adan': Adan}
"""


def test_an_optimizer_s_own_types_hold_for_names_that_others_have_too(plug):
    plug(OWN_TYPES.replace("{IMPORTS}", IMPORTS))
    given = "betas: [0.9, 0.8, 0.7], alpha: [1.5, 2.5], r: 5, nesterov: true, decay_biases: false"
    runs = list_runs(sweep(f"optimizer: {{name: Adan, {given}}}\n", CONSTANT), digits())
    for run, alpha in zip(runs, (1.5, 2.5), strict=True):
        arguments = json.loads(run.optimizer_args)
        optimizer = build_optimizer("Adan", [Parameter(torch.ones(2))], 0.1, arguments)
        assert optimizer.defaults["given"] == [[0.9, 0.8, 0.7], alpha, 5, True, False]
    with pytest.raises(InputError, match=r"optimizer\.rho: Adan does not take it; Adan takes lr"):
        sweep("optimizer: {name: Adan, rho: 0.9}\n", CONSTANT)
    with pytest.raises(InputError) as caught:
        sweep("optimizer: {name: Adan, betas: [0.9, 0.8], alpha: x, r: 1.5}\n", CONSTANT)
    assert [line.partition(": ")[2] for line in str(caught.value).splitlines()] == [
        "optimizer.betas: the list is too short, its item 3 is missing",
        "optimizer.alpha: must be a number, not 'x'",
        "optimizer.r: must be a whole number, not 1.5",
    ]


SHAPED = """\
from schedulefree import AdamWScheduleFree
from torch.optim import Optimizer
class Free(AdamWScheduleFree):
    def __init__(self, params, lr: float = 0.1, betas: float = 0.9,
                 momentum: tuple[float, float] = (0.5, 0.6)):
        super().__init__(params, lr)
OPTIMIZERS = {"Free": Free}
"""


def test_lists_and_axes_of_a_plug_in_are_as_its_types_say(plug):
    plug(SHAPED)
    runs = sweep("optimizer: {name: Free, betas: [0.8, 0.7], momentum: [0.1, 0.2]}\n", CONSTANT)
    assert [json.loads(run.optimizer_args) for run in list_runs(runs, digits())] == [
        {"betas": beta, "momentum": [0.1, 0.2]} for beta in (0.8, 0.7)
    ]
    (run,) = list_runs(sweep("optimizer: Free\nepochs: 1\n", CONSTANT), digits())
    assert reference.train_one(run, split(), CPU).run["status"] == "completed"  # in training mode


def test_a_name_that_exists_already(tmp_path, plug):
    text = f"{IMPORTS}SCHEDULERS = {{'StepLR': StepLR}}\n"
    assert refusal(text, tmp_path) == (
        "plug-in own.py: scheduler StepLR: exists already, in lrdecay; give it another name"
    )
    first = plug(POWERS, "first.py")
    second = tmp_path / "second.py"
    second.write_text(POWERS)
    with pytest.raises(InputError) as caught:
        plugins.load_plugins([second])
    assert str(caught.value) == (
        f"plug-in {second}: scheduler PowersLR: exists already, in {first}; give it another name"
    )
    assert plugins.list_loaded().given == (str(first),)


def test_a_module_that_is_not_there(tmp_path, monkeypatch):
    with pytest.raises(InputError) as caught:
        plugins.load_plugins(["no_such_thing"])
    assert str(caught.value) == (
        "plug-in no_such_thing: cannot be imported: "
        "ModuleNotFoundError: No module named 'no_such_thing'"
    )
    monkeypatch.chdir(tmp_path)
    (tmp_path / "no_such_thing.py").touch()
    with pytest.raises(InputError, match=r"; did you mean the file no_such_thing\.py\?$"):
        plugins.load_plugins(["no_such_thing"])


# Schedulers at work


def test_a_class_that_is_stepped_every_step(plug):
    plug(
        f"{IMPORTS}class X(LRScheduler):\n"
        "    interval = 'step'\n"
        "    def __init__(self, optimizer: Optimizer, slope: float) -> None:\n"
        "        self.slope = slope\n"
        "        super().__init__(optimizer)\n"
        "    def get_lr(self):\n"
        "        return [base / (1 + self.slope * self.last_epoch) for base in self.base_lrs]\n"
        "SCHEDULERS = {'X': X}\n"
    )
    (run,) = list_runs(sweep("epochs: 2\n", "schedulers: {x: {class: X, slope: 1}}\n"), digits())
    assert json.loads(run.scheduler_args) == {"interval": "step", "slope": 1.0}
    steps = -(-1198 // 64)
    expected = [[0.001 / (1 + t) for t in range(e * steps, (e + 1) * steps)] for e in range(2)]
    records = [reference.train_one(run, split(), CPU), *train.train_stacked([run], split(), CPU)]
    for record in records:
        rows = [row for row in record.epochs if row["split"] == "test"]
        assert [row["learning_rate_first"] for row in rows] == [rates[0] for rates in expected]
        assert [row["learning_rate_last"] for row in rows] == [rates[-1] for rates in expected]


def test_arguments_are_checked_as_those_of_torch(plug):
    plug(POWERS)
    with pytest.raises(SweepFileError) as caught:
        parse_sweep(
            "dataset: digits\nschedulers:\n  a: {class: PowersLR, gamma: x}\n"
            "  b: {class: PowerLR}\n  c: {class: PowersLR, gama: 1}\n"
        )
    first, second, third = str(caught.value).splitlines()
    assert first == "sweep.yaml:3:31: schedulers.a.gamma: must be a number, not 'x'"
    assert second.startswith(
        "sweep.yaml:4:14: schedulers.b.class: 'PowerLR' is unknown; did you mean PowersLR?"
    )
    assert third.startswith(
        "sweep.yaml:5:24: schedulers.c: the key 'gama' is unknown; did you mean gamma?"
    )


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return {}['x']", "KeyError: 'x' (line 4 of own.py)"),
        ("return 3", "TypeError: X returns a int, and no LRScheduler"),
        (
            "return ReduceLROnPlateau(optimizer)",
            "TypeError: X returns a ReduceLROnPlateau; make it a subclass of that",
        ),
        (
            "return LambdaLR(optimizer, lambda t: 1 if t < 1 else {}['y'])",
            "KeyError: 'y' (line 4 of own.py)",
        ),
    ],
)
def test_a_scheduler_that_fails_is_a_mistake_in_the_sweep_file(plug, body, message):
    path = plug(
        "from torch.optim import Optimizer\n"
        "from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau\n"
        f"def X(optimizer: Optimizer):\n    {body}\nSCHEDULERS = {{'X': X}}\n"
    )
    with pytest.raises(SweepFileError) as caught:
        sweep("", "schedulers: {x: {class: X}}\n")
    assert str(caught.value) == (
        f"small.yaml:2:14: schedulers.x: the plug-in scheduler X of {path} fails: {message}"
    )


# Models


MLP = """\
from torch import nn

class MLP(nn.Module):
    def __init__(self, shape, classes, dropout):
        super().__init__()
        size = shape[0] * shape[1] * shape[2]
        self.first, self.last = nn.Linear(size, 16), nn.Linear(16, classes)
        self.dropout = nn.Dropout(dropout)

    def forward(self, images):
        return self.last(self.dropout(self.first(images.flatten(1)).relu()))

MODELS = {"mlp": MLP}
"""
CONSTANT = "schedulers: {c: {class: constant}}\n"


@pytest.mark.slow
def test_a_model_trains_the_same_on_both_engines(plug, tmp_path):
    path = plug(MLP)
    runs = list_runs(sweep("model: mlp\nepochs: 2\ndropout: [0.0, 0.5]\n", CONSTANT), digits())
    assert {run.model for run in runs} == {"mlp"}
    digest = registry.find_plugin("model", "mlp").digest
    assert {run.plugins for run in runs} == {to_canonical_json({"model mlp": digest})}
    plan = grouping.plan_groups(runs, digits(), CPU, 1, "stacked")
    assert (plan.notes, [len(group.runs) for group in plan.groups]) == ((), [2])
    assert {g.engine for g in grouping.plan_groups(runs, digits(), CPU, 1).groups} == {"reference"}
    for alone, together in zip(
        [reference.train_one(run, split(), CPU) for run in runs],
        train.train_stacked(runs, split(), CPU),
        strict=True,
    ):
        for record in (alone, together):
            assert record.run["status"] == "completed"
            assert record.run["applied_dropout"] == record.run["dropout"]
        assert alone.run["init_digest"] == together.run["init_digest"]
        assert alone.run["test_loss"] == pytest.approx(together.run["test_loss"], rel=1e-4)
    file = tmp_path / "small.yaml"
    file.write_text(f"dataset: digits\nmodel: mlp\nepochs: 1\n{CONSTANT}")
    summary = run_sweep(file, tmp_path, workers=1, device="cpu", plugins=[path])
    assert summary.completed == 1


def test_batch_norm_is_for_models_that_take_it(plug):
    plug(MLP)
    with pytest.raises(SweepFileError) as caught:
        sweep("model: {name: [cnn, mlp], batch_norm: [false, true]}\n", CONSTANT)
    assert str(caught.value) == (
        "small.yaml:3:39: model.batch_norm: true needs a network that can have it; mlp takes none"
    )
    plug(
        MLP.replace("dropout):", "dropout, batch_norm=False):")
        .replace("nn.Dropout(dropout)", "nn.BatchNorm1d(16) if batch_norm else nn.Identity()")
        .replace('"mlp"', '"normed"'),
        "normed.py",
    )
    runs = sweep("model: {name: normed, batch_norm: [false, true]}\nepochs: 1\n", CONSTANT)
    plain, normed = (reference.train_one(run, split(), CPU) for run in list_runs(runs, digits()))
    assert plain.run["init_digest"] != normed.run["init_digest"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "nn.Linear(16, classes)",
            "nn.Linear(16, 3)",
            ": gives (4, 3) for 4 images of 10 classes, and must give (4, 10)",
        ),
        (
            "self.dropout = nn.Dropout(dropout)",
            "self.dropout = nn.Dropout(dropout); self.last.bias.data.fill_(next(COUNT))",
            ": begins with other weights each time; draw them with torch, which is seeded",
        ),
        (
            "self.first(images",
            "self.absent(images",
            " fails: AttributeError: 'MLP' object has no attribute 'absent' (line 11 of own.py)",
        ),
        (
            '{"mlp": MLP}',
            '{"mlp": lambda *a: 3}',
            " fails: TypeError: gives a int, and must give a torch.nn.Module",
        ),
        ("self.first(images", "exit(0) or (images", " fails: SystemExit: 0"),
    ],
)
def test_models_that_cannot_train_are_refused_before_anything_trains(plug, old, new, message):
    assert old in MLP
    path = plug(MLP.replace(old, new) + "import itertools\nCOUNT = itertools.count()\n")
    with pytest.raises(InputError) as caught:
        list_runs(sweep("model: mlp\n", CONSTANT), digits())
    assert str(caught.value).startswith(f"digits: the plug-in model mlp of {path}{message}")


# Datasets


DATA = """\
import torch

def noise(folder):
    images = torch.arange(60 * 36).remainder(256).to(torch.uint8).view(60, 1, 6, 6)
    labels = torch.arange(60) % 3
    return (images[:50], labels[:50]), (images[50:].numpy(), labels[50:].numpy())

DATASETS = {"noise": noise}
"""


@pytest.mark.slow
def test_a_dataset_is_read_and_trained_on(plug, tmp_path):
    path = plug(DATA)
    found = sources.load_dataset(DatasetSpec(name="noise"))
    assert (found.name, found.train_count, found.classes, found.shape) == (
        "noise",
        50,
        3,
        (1, 6, 6),
    )
    assert found.full_scale == 255
    assert found.test_images[0].flatten().tolist() == [(50 * 36 + i) % 256 for i in range(36)]
    file = tmp_path / "small.yaml"
    file.write_text(f"dataset: noise\nepochs: 1\n{CONSTANT}")
    summary = run_sweep(file, tmp_path, workers=1, device="cpu", plugins=[path])
    runs = read_runs(summary.folder)
    assert runs["status"].tolist() == ["completed"]
    assert runs["dataset_digest"].tolist() == [found.digest]
    assert runs["plugins"].tolist() == ["{}"]  # the content's digest says all


def test_a_dataset_is_given_the_folder(plug, tmp_path):
    plug(DATA.replace("    labels", "    assert folder.name == 'there', folder\n    labels"))
    assert sources.load_dataset(DatasetSpec(name="noise"), tmp_path / "there").train_count == 50
    with pytest.raises(InputError, match=r"noise of .* fails: AssertionError: data \(line 5 of"):
        sources.load_dataset(DatasetSpec(name="noise"), "data")


def test_a_dataset_that_ends_the_process_has_failed(plug, tmp_path):
    plug(DATA.replace("    labels", "    exit(0)\n    labels"))
    with pytest.raises(InputError, match=r"noise of .* fails: SystemExit: 0 \(line 5 of"):
        sources.load_dataset(DatasetSpec(name="noise"), tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "return (images[:50], labels[:50]), ",
            "return images, labels, ",
            "must return ((images, labels), (images, labels)), training and test",
        ),
        (
            ".to(torch.uint8)",
            ".float()",
            "the training images must be torch.uint8 (n, channels, height, width), not "
            "torch.float32 (50, 1, 6, 6)",
        ),
        (
            "labels[50:].numpy()",
            "labels[50:].int().numpy()",
            "the test labels must be torch.int64 (n,), not torch.int32 (10,)",
        ),
        (
            "labels[50:].numpy()",
            "[0, 1]",
            "the test labels must be a tensor, not list",
        ),
        (
            "labels[50:].numpy()",
            "labels[50:].numpy().astype(str)",
            "the test labels: can't convert np.ndarray of type numpy.str_. The only supported "
            "types are: float64, float32, float16, complex64, complex128, int64, int32, int16, "
            "int8, uint64, uint32, uint16, uint8, and bool.",
        ),
        (
            "labels[:50]",
            "labels[:40]",
            "the training part must have images, each with a label from 0; it has 50 images and "
            "40 labels",
        ),
        (
            "images[50:].numpy()",
            "images[50:, :, :5].numpy()",
            "training images are (1, 6, 6), test images (1, 5, 6)",
        ),
        ("% 3", "* 0", "there must be two classes or more"),
    ],
)
def test_datasets_that_cannot_be_used(plug, old, new, message):
    assert old in DATA
    path = plug(DATA.replace(old, new))
    with pytest.raises(InputError) as caught:
        sources.load_dataset(DatasetSpec(name="noise"))
    assert str(caught.value) == f"the plug-in dataset noise of {path}: {message}"


# Optimizers


PLAIN = """\
import torch
from torch.optim import Optimizer

class Plain(Optimizer):
    def __init__(self, params, lr=0.1, shrink: float = 0, powers: tuple[int, int] = (1, 1)):
        super().__init__(params, {"lr": lr, "shrink": shrink})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.sub_(p.grad + group["shrink"] * p, alpha=group["lr"])

OPTIMIZERS = {"Plain": Plain}
"""


def test_an_optimizer_trains_as_its_formula_says(plug):
    plug(PLAIN)
    own = sweep("optimizer: {name: Plain, lr: 0.05, shrink: [0, 0.1]}\nepochs: 2\n", CONSTANT)
    torchs = sweep(
        "optimizer: {name: SGD, lr: 0.05, weight_decay: [0, 0.1]}\nepochs: 2\n", CONSTANT
    )
    runs = list_runs(own, digits())
    assert [json.loads(run.optimizer_args) for run in runs] == [
        {"shrink": 0.0, "powers": [1, 1]},
        {"shrink": 0.1, "powers": [1, 1]},
    ]
    for mine, theirs in zip(runs, list_runs(torchs, digits()), strict=True):
        one, other = (reference.train_one(run, split(), CPU).run for run in (mine, theirs))
        assert one["test_loss"] == pytest.approx(other["test_loss"], rel=1e-5)
    given = list_runs(sweep("optimizer: {name: Plain, powers: [2, 3]}\n", CONSTANT), digits())
    assert [json.loads(run.optimizer_args)["powers"] for run in given] == [[2, 3]]


def test_no_momentum_is_cycled_that_an_optimizer_does_not_take(plug):
    plug(PLAIN)
    cycle = "schedulers: {c: {class: OneCycleLR, max_lr: 0.1, total_steps: steps}}\n"
    with pytest.raises(InputError) as caught:
        list_runs(sweep("optimizer: Plain\n", cycle), digits())
    assert str(caught.value) == (
        "schedulers.c: OneCycleLR would cycle a momentum, and Plain takes none; "
        "give cycle_momentum: false"
    )


@pytest.mark.slow
def test_the_stacked_engine_leaves_an_optimizer_that_it_does_not_know_to_the_other(plug, tmp_path):
    path = plug(PLAIN)
    file = tmp_path / "small.yaml"
    file.write_text(f"dataset: digits\noptimizer: Plain\nepochs: 1\nseeds: 2\n{CONSTANT}")
    notes: list[str] = []

    class Notes:
        def start(self, *_): ...
        def epoch(self, *_): ...
        def finished(self, *_): ...
        def note(self, text):
            notes.append(text)

    options = {"device": "cpu", "workers": 1, "engine": "stacked", "plugins": [path]}
    summary = run_sweep(file, results=tmp_path, progress=Notes(), **options)
    assert summary.completed == 2
    assert set(read_runs(summary.folder)["engine"]) == {"reference"}
    assert notes == [
        "cnn: runs train one at a time, since the stacked engine does not know the optimizer Plain"
    ]


def test_an_optimizer_s_arguments_are_checked(plug):
    plug(PLAIN)
    text = "optimizer: {name: [Plain, SGD], shrink: x, momentum: 0.9, shrnk: 1}\n"
    with pytest.raises(SweepFileError) as caught:
        sweep(text, CONSTANT)
    assert str(caught.value).splitlines() == [
        "small.yaml:3:41: optimizer.shrink: SGD does not take it; "
        "SGD takes lr, weight_decay, momentum, nesterov, decay_biases",
        "small.yaml:3:54: optimizer.momentum: Plain does not take it; "
        "Plain takes lr, shrink, powers",
        "small.yaml:3:59: optimizer: the key 'shrnk' is unknown; did you mean shrink? (choices: "
        "name, lr, weight_decay, eps, betas, momentum, nesterov, alpha, rho, centered, "
        "warmup_steps, r, weight_lr_power, decay_biases, shrink, powers)",
    ]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("p.grad is not None", "True", " fails: TypeError: "),
        ("closure=None", "closure", " fails: TypeError: "),
        ("p.grad is not None", "exit(0)", " fails: SystemExit: 0"),
    ],
)
def test_optimizers_that_cannot_step_are_refused(plug, old, new, message):
    assert old in PLAIN
    path = plug(PLAIN.replace(old, new))
    with pytest.raises(InputError) as caught:
        list_runs(sweep("optimizer: Plain\n", CONSTANT), digits())
    start = f"optimizer: the plug-in optimizer Plain of {path}{message}"
    assert str(caught.value).startswith(start)
