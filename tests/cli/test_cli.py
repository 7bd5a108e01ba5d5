"""The command line: what it prints, and the codes it ends with."""

import os
import re
import subprocess
import sys
import time

import pytest
from helpers.commands import call
from helpers.frames import make_tables, write_folder

from lrdecay.core.text import spell_seconds
from lrdecay.sweep.matrix import list_runs

SWEEP = """\
name: tiny
dataset: digits
epochs: 2
schedulers:
  "[b]flat[/b]": {class: constant}
  step: {class: StepLR, step_size: 1, gamma: 0.5}
dropout: [0.0, 0.3]
seeds: 1
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(SWEEP)
    return path


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)


def test_help_imports_neither_torch_nor_pandas():
    code = """
import sys
sys.argv = ["lrdecay", "--help"]
from lrdecay.cli import main
try:
    main()
except SystemExit as end:
    assert end.code in (0, None), end.code
heavy = {"torch", "pandas", "pyarrow", "matplotlib", "pydantic", "sklearn"} & sys.modules.keys()
print("heavy:", sorted(heavy))
"""
    assert "heavy: []" in python(code).stdout


def test_importing_the_package_imports_nothing_heavy():
    code = "import lrdecay, sys; print({'torch', 'pandas'} & sys.modules.keys())"
    assert python(code).stdout == "set()\n"


@pytest.mark.slow
def test_the_reading_half_does_not_import_torch():
    code = """
import importlib, pkgutil, sys
for name in ("core", "store", "analysis", "plots", "report"):
    package = importlib.import_module(f"lrdecay.{name}")
    for module in pkgutil.walk_packages(package.__path__, f"lrdecay.{name}."):
        if not module.name.endswith(".tensorboard"):  # whose package imports it where it is
            importlib.import_module(module.name)
print("torch" in sys.modules)
"""
    assert python(code).stdout == "False\n"


def test_the_version_is_the_package_s():
    import lrdecay

    assert call("--version").output == f"{lrdecay.__version__}\n"
    assert re.fullmatch(r"\d+\.\d+\.\d+", lrdecay.__version__)


def test_what_the_package_offers_is_listed_and_there():
    import lrdecay

    assert set(lrdecay.__all__) <= set(dir(lrdecay))
    assert lrdecay.load_sweep.__module__ == "lrdecay.sweep.reading"
    code = "import lrdecay; print(lrdecay.analysis.compare, lrdecay.plots.plot_curves)"
    assert "<function compare" in python(code).stdout
    with pytest.raises(AttributeError, match="no attribute 'load_swep'"):
        _ = lrdecay.load_swep


def test_lines_name_every_axis_that_varies(file, tmp_path):
    file.write_text(SWEEP + "optimizer: {lr: [0.001, 1e+30]}\n")
    result = call("sweep", file, "--results", tmp_path, "--workers", "0")
    assert "step, dropout 0.3, seed 0, lr 1e+30: diverged" in result.output
    assert "8/8 runs; step, dropout 0.3, seed 0, lr 1e+30: diverged" in result.output


def test_the_bar_fits_80_columns_and_tells_the_time_left_first():
    from helpers.training import digits, sweep
    from rich.console import Console

    from lrdecay.execution.messages import EpochDone
    from lrdecay.runner import progress, renderers

    runs = list_runs(sweep("epochs: 2"), digits())
    console = Console(width=80, force_terminal=True, record=True)
    bar = progress.SweepProgress(renderers.find_renderer(console))
    bar.start(runs, 1, 2)
    for epoch in (1, 2):
        bar.epoch(EpochDone(runs[-1], epoch, "val", 0.8765))
        time.sleep(2 * progress._BURST_SECONDS)
    bar.stop()
    last = console.export_text().rstrip("\n")[-80:]  # the bar is drawn over itself
    assert re.match(r"1/5 runs .+ \d+ s left 87\.[67]% val, epoch 2: onecycle, drop", last)


def test_the_bar_begins_anew_for_repeats():
    from helpers.training import digits, sweep
    from rich.console import Console

    from lrdecay.execution.messages import EpochDone
    from lrdecay.runner import progress, renderers

    runs = list_runs(sweep("epochs: 2"), digits())
    console = Console(width=80, force_terminal=True, record=True)
    bar = progress.SweepProgress(renderers.find_renderer(console))
    bar.start(runs, 0, 1)
    for run in runs:
        for epoch in (1, 2):
            bar.epoch(EpochDone(run, epoch, "val", 0.8765))
    [task] = bar._renderer._bar.tasks
    assert (task.completed, task.total) == (10, 10)
    bar.start(runs[:2], 0, 1)
    bar.stop()
    assert (task.completed, task.total) == (0, 4)
    assert task.fields == {"runs": "0/2 runs", "left": "", "now": "starting"}


@pytest.mark.parametrize(
    "command",
    ["new", "plan", "sweep", "report", "compare", "export", "plot", "train", "schedulers"],
)
def test_every_command_has_help_with_an_example(command):
    result = call(command, "--help")
    assert result.exit_code == 0
    assert f"lrdecay {command}" in result.output
    assert "Example:" in result.output


def test_plan_says_the_matrix_the_runs_and_the_time(file, tmp_path):
    options = ("--workers", "1", "--device", "cpu", "--engine", "stacked")
    result = call("plan", file, *options)
    assert result.exit_code == 0, result.output
    assert re.search(r"scheduler +\[b\]flat\[/b\]: constant\(\)", result.output)
    assert re.search(r"scheduler +step: StepLR\(step_size=1, gamma=0.5\)", result.output)
    assert re.search(r"dropout +0.0, 0.3", result.output)
    assert "4 cells x 1 seed = 4 runs" in result.output
    assert re.search(
        r"1 group; a worker trains at most 4 runs at once, in about \d+ MiB beside torch itself\.\n"
        r"About \d+ s on cpu with 1 worker, and some seconds",
        result.output,
    )
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("dataset", ["digits", "kmnist"])  # at hand, and not
def test_plan_asks_where_runs_train_before_anything_else(file, monkeypatch, tmp_path, dataset):
    """A cluster can plan only once it was asked, and what is not there is said at once."""
    from lrdecay.core.errors import InputError
    from lrdecay.execution.local.executor import Local

    def refuse(self, precision, kernels):
        raise InputError(f"no GPU that computes in {precision}")

    monkeypatch.setattr(Local, "site", refuse)
    file.write_text(SWEEP.replace("digits", dataset))
    result = call("plan", file, "--data", tmp_path / "none")
    assert result.exit_code == 2
    assert result.output.endswith("lrdecay: no GPU that computes in float32\n")
    assert "learning rate" not in result.output
    assert "No schedules" not in result.output


def test_plan_blames_only_absence_on_absence(file):
    file.write_text(SWEEP.replace("digits", "{folder: nowhere}"))
    result = call("plan", file)
    assert result.exit_code == 2
    assert "nowhere holds no images to train on" in result.output
    assert "download" not in result.output


@pytest.mark.slow
def test_labels_are_shown_as_they_are_whatever_the_terminal(tmp_path):
    label = ":warning: \u00e9"
    folder = write_folder(tmp_path / "s", make_tables((label,), (0.0,), 1, 1))
    status = [sys.executable, "-m", "lrdecay", "status", str(folder)]
    for encoding, shown in (("utf-8", label), ("ascii", ":warning: \\xe9")):
        environment = os.environ | {"PYTHONIOENCODING": encoding}
        result = subprocess.run(status, capture_output=True, env=environment, check=True)
        assert f"\n{shown} " in result.stdout.decode(encoding)


def test_plan_without_the_data_says_so_and_downloads_nothing(file, tmp_path):
    file.write_text(SWEEP.replace("digits", "kmnist"))
    result = call("plan", file, "--data", tmp_path / "none")
    assert result.exit_code == 0
    assert "4 runs" in result.output
    assert f"kmnist is not in {tmp_path / 'none'}" in result.output
    assert not (tmp_path / "none").exists()


@pytest.mark.usefixtures("empty_figures")
def test_sweep_then_report(file, tmp_path):
    result = call("sweep", file, "--results", tmp_path, "--workers", "0")
    assert result.exit_code == 0, result.output
    assert "4 runs, 0 of them done already" in result.output
    assert "4/4 runs; " in result.output
    assert f"{tmp_path}/tiny: 4 runs, 4 trained now (0 diverged, 0 failed)" in result.output
    again = call("sweep", file, "--results", tmp_path, "--workers", "0")
    assert "4 runs, 0 trained now (0 diverged, 0 failed)" in again.output
    assert "4 from before" in again.output
    for argument in (tmp_path / "tiny", file):
        page = tmp_path / "page.html"
        made = call("report", argument, "--results", tmp_path, "--output", page)
        assert made.exit_code == 0, made.output
        assert made.output.strip() == str(page)
        assert "[b]flat[/b]" in page.read_text()
        page.unlink()
    assert not (tmp_path / "index.html").exists()  # no report lies beside it so far
    assert call("report", tmp_path / "tiny").exit_code == 0
    assert (tmp_path / "tiny" / "report.html").stat().st_size > 10_000
    assert 'href="tiny/report.html"' in (tmp_path / "index.html").read_text()


@pytest.mark.slow
@pytest.mark.usefixtures("empty_figures")
def test_reports_of_several_sweeps_are_one_page_and_listed(tmp_path):
    folders = [write_folder(tmp_path / name, make_tables(seeds=1, n_epochs=1)) for name in "ab"]
    made = call("report", *folders)
    assert (made.exit_code, made.output) == (0, f"{tmp_path / 'compared.html'}\n")
    assert 'href="compared.html"' in (tmp_path / "index.html").read_text()
    (tmp_path / "index.html").write_text("mine")
    elsewhere = call("report", *folders, "--output", tmp_path / "x.html")
    assert (elsewhere.exit_code, elsewhere.output) == (0, f"{tmp_path / 'x.html'}\n")
    beside = call("report", folders[0])
    assert beside.exit_code == 0
    assert "index.html was not written by lrdecay and is kept" in beside.output
    assert (tmp_path / "index.html").read_text() == "mine"
    both = call("report", *folders, "--watch")
    assert both.exit_code == 2
    assert "--watch takes one results folder, not 2" in both.output


def test_a_bad_file_gives_2_and_trains_nothing(file, tmp_path):
    file.write_text(SWEEP.replace("dropout", "dropuot").replace("StepLR", "StepLr"))
    for command in ("plan", "sweep"):
        result = call(command, file, *(["--results", tmp_path] if command == "sweep" else []))
        assert result.exit_code == 2
        assert f"{file}:6:17: schedulers.step.class: 'StepLr' is unknown" in result.output
        assert f"{file}:7:1: the key 'dropuot' is unknown; did you mean dropout?" in result.output
    assert not (tmp_path / "tiny").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sweep", "nowhere.yaml"], "nowhere.yaml: No such file or directory"),
        (["report", "nowhere.yaml"], "nowhere.yaml: No such file or directory"),
        (["report", "nowhere"], "no results in nowhere: `lrdecay sweep FILE`"),
        (["schedulers", "StepLr"], "scheduler 'StepLr' is unknown; did you mean StepLR?"),
        (["train", "--dropout", "1"], "dropout: must be below 1"),
        (["train", "--set", "gamma"], "--set gamma: expected KEY=VALUE"),
        (["train", "--set", "gamna=1"], "the key 'gamna' is unknown; did you mean gamma?"),
        (["train", "--dataset", "digit"], "did you mean digits?"),
        (["train", "--device", "tpu"], "tpu"),
        (["sweep", "digits", "--results", "Makefile"], "Makefile"),
        (["report", "Makefile", "--output", "."], "no results in Makefile"),
    ],
)
def test_bad_input_gives_2_and_one_clear_message(arguments, message):
    result = call(*arguments)
    assert result.exit_code == 2
    assert message in result.output
    assert "Traceback" not in result.output
    assert ":1:1:" not in result.output  # options are at no place of a file


def test_a_failed_run_gives_1_and_says_why(file, tmp_path, monkeypatch):
    def breaks(*_):
        raise RuntimeError("no such luck")

    monkeypatch.setattr("lrdecay.engine.stacked.train.train_stacked", breaks)
    options = ("--workers", "0", "--engine", "stacked")
    result = call("sweep", file, "--results", tmp_path, *options)
    assert result.exit_code == 1
    assert "4 trained now (0 diverged, 4 failed)" in result.output
    assert "failed: step, dropout 0.3, seed 0: RuntimeError: no such luck" in result.output


def test_train_prints_losses_rates_and_accuracies():
    result = call("train", "--epochs", 7, "--seed", 3, "--device", "cpu")
    assert result.exit_code == 0, result.output
    assert "digits: 1198 training, 239 validation and 360 test images on cpu" in result.output
    rates = re.findall(
        r"epoch \d of 7: learning rate (\S+); validation loss [\d.]+, accuracy [\d.]+%; "
        r"test loss [\d.]+, accuracy [\d.]+%",
        result.output,
    )
    assert rates == ["0.001"] * 5 + ["0.0005"] * 2
    losses = re.findall(r"epoch \d, batch 19 of 19: mean loss ([\d.]+)", result.output)
    assert len(losses) == 7
    assert float(losses[-1]) < float(losses[0]) / 2
    assert float(re.search(r"test accuracy ([\d.]+)%\n$", result.output)[1]) > 85


def test_train_that_diverges_gives_1():
    result = call("train", "--optimizer", "SGD", "--lr", 1e6, "--epochs", 1)
    assert result.exit_code == 1
    assert "the loss was not finite at step" in result.output


def test_train_is_the_run_that_a_sweep_would_train():
    from helpers.training import curve, runs
    from helpers.training import train as train_run

    result = call("train", "--scheduler", "CosineAnnealingLR", "--epochs", 2, "--dropout", 0.5)
    record = train_run(runs("epochs: 2\ndropout: 0.5")["cosine"])
    for loss in curve(record, "test"):
        assert f"test loss {loss:.4f}" in result.output


def test_schedulers_lists_every_class_with_its_arguments():
    from lrdecay.components.schedulers import CLASSES

    result = call("schedulers")
    assert result.exit_code == 0
    listed = {line.split()[0] for line in result.output.splitlines() if line.strip()}
    assert set(CLASSES) <= listed
    assert re.search(r"StepLR +epoch +step_size, gamma=0.1", result.output)
    one = call("schedulers", "CosineAnnealingLR")
    assert re.search(r"CosineAnnealingLR +epoch +T_max, eta_min=0.0", one.output)
    assert "cosine annealing" in one.output


def test_durations_read_well():
    assert [spell_seconds(s) for s in (0.2, 119, 121, 7199, 7201)] == [
        "0 s",
        "119 s",
        "2 min",
        "120 min",
        "2 h",
    ]


@pytest.mark.slow
def test_one_epoch_of_real_mnist_learns_and_applies_the_rate(data_dir):
    result = call("train", "--dataset", "mnist", "--epochs", 1, "--data", data_dir)
    assert result.exit_code == 0, result.output
    assert "mnist: 55000 training, 5000 validation and 10000 test images" in result.output
    assert "epoch 1, batch 800 of 860: mean loss" in result.output
    assert "epoch 1 of 1: learning rate 0.001;" in result.output
    assert float(re.search(r"test accuracy ([\d.]+)%\n$", result.output)[1]) > 97


@pytest.mark.slow
def test_engine_and_group_size_are_followed_and_recorded(file, tmp_path):
    from lrdecay.store.reader import read_runs

    for engine, size, expected in (("reference", 4, 1), ("stacked", 2, 2)):
        results = tmp_path / engine
        options = ("--workers", 0, "--device", "cpu", "--engine", engine, "--group-size", size)
        result = call("sweep", file, "--results", results, *options)
        assert result.exit_code == 0, result.output
        (folder,) = results.iterdir()
        runs = read_runs(folder)
        assert set(runs["engine"]) == {engine}
        assert set(runs["group_size"]) == {expected}
    result = call("plan", file, "--workers", 1, "--device", "cpu", "--engine", "reference")
    assert "a worker trains at most 1 run at once" in result.output
    result = call("sweep", file, "--group-size", 0)
    assert result.exit_code == 2


def test_tf32_is_refused_where_there_is_no_gpu(file):
    file.write_text(SWEEP + "precision: tf32\n")
    for command in ("sweep", "plan"):
        result = call(command, file, "--device", "cpu")
        assert result.exit_code == 2
        assert "precision: tf32 needs a GPU; a CPU computes in float32 or bfloat16" in result.output


@pytest.mark.parametrize("precision", ["float32", "tf32", "tf32x3"])
def test_kernels_in_triton_are_refused_where_there_is_no_gpu(file, precision):
    file.write_text(SWEEP + f"kernels: triton\nprecision: {precision}\n")
    for command in ("sweep", "plan"):
        result = call(command, file, "--device", "cpu")
        assert result.exit_code == 2
        assert "kernels: triton needs a GPU; a CPU computes with kernels: torch" in result.output
