"""Programs that train: what they are told, what of their lines is kept, and how they end."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from helpers.commands import call
from helpers.own_loops import run as make_run
from helpers.paths import HOME

import lrdecay
from lrdecay.analysis import compare
from lrdecay.components.trainers.command import CommandTemplate
from lrdecay.core.errors import InputError
from lrdecay.execution.grouping import Group
from lrdecay.execution.messages import EpochDone
from lrdecay.execution.own import Terms
from lrdecay.execution.own.program import ProgramSetup, ProgramTrainer
from lrdecay.runner.coordinator import run_sweep
from lrdecay.store.reader import read_epochs, read_metrics, read_runs
from lrdecay.store.verify import verify_results
from lrdecay.sweep.reading import parse_sweep

PROGRAM = """\
import json, os, sys, time
seed, lr, epochs, width, folder = sys.argv[1:6]
assert os.environ["LRDECAY_SEED"] == seed and os.environ["LRDECAY_WIDTH"] == width
def write(**row):
    with open(os.path.join(folder, "metrics.jsonl"), "a") as file:
        file.write(json.dumps(row) + "\\n")
gain = {"constant": 0.0, "step": 0.01}[os.environ["LRDECAY_SCHEDULER"]]
write(init_digest=f"weights of {seed}", order_digest=f"order of {seed}")
for epoch in range(1, int(epochs) + 1):
    rate = float(lr) * (0.5 ** (epoch - 1) if gain else 1.0)
    write(epoch=epoch, split="val", loss=1.0 / epoch, learning_rate=rate)
    write(epoch=epoch, split="test", accuracy=0.5 + gain + int(seed) / 100, f1=epoch / 10)
write(energy=2.5)
"""

SWEEP = """\
name: told
trainer: {name: command, width: [8, 16]}
optimizer: {lr: 0.25}
epochs: 2
schedulers:
  constant: {class: constant}
  step: {class: StepLR, step_size: 1, gamma: 0.5}
seeds: 2
comparison: {reference: constant, metric: test_accuracy, margin: 0.5}
"""

TERMS = Terms("test_f1")
PYTHON = f"'{sys.executable}'"


def start(lines: str, of=None, terms=TERMS, template: str | None = None):
    """The record of a run whose program is these lines of Python, and what was told on the way;
    `out` opens the file for its metrics."""
    told: list[object] = []
    before = "import os, sys; out = open(os.environ['LRDECAY_FOLDER'] + '/metrics.jsonl', 'a')\n"
    os.environ["TRIED"] = before + lines
    if template is None:
        template = PYTHON + " -c 'import os; exec(os.environ[\"TRIED\"])'"
    of = of or make_run(epochs=1, trainer="command")
    trainer = ProgramTrainer(torch.device("cpu"), ProgramSetup.of(CommandTemplate(template), terms))
    try:
        trainer.train(Group("command", (of,)), told.append)
    finally:
        del os.environ["TRIED"]
    return told[-1], told[:-1]


def sweep(folder, text=SWEEP, **options):
    (folder / "told.yaml").write_text(text)
    (folder / "train.py").write_text(PROGRAM)
    command = f"{PYTHON} '{folder / 'train.py'}' {{seed}} {{lr}} {{epochs}} {{width}} {{folder}}"
    chosen = {"results": folder / "results", "workers": 0, "command": command} | options
    return run_sweep(folder / "told.yaml", **chosen)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return sweep(tmp_path_factory.mktemp("told")).folder


def test_a_run_has_what_its_program_told_and_nothing_else(whole):
    runs = read_runs(whole).sort_values(["trainer_args", "scheduler", "seed"], ignore_index=True)
    assert len(runs) == 2 * 2 * 2
    assert set(runs["status"]) == {"completed"}
    assert set(runs["engine"]) == {"command"}
    assert runs["trainer_args"].unique().tolist() == ['{"width":16}', '{"width":8}']
    of_four = [0.5, 0.51, 0.51, 0.52]
    assert runs["test_accuracy"].tolist() == pytest.approx(of_four * 2)
    assert runs["val_loss"].tolist() == [0.5] * 8
    assert runs["best_epoch"].tolist() == [2] * 8
    assert runs["init_digest"].tolist() == ["weights of 0", "weights of 1"] * 4
    assert runs["order_digest"].tolist() == ["order of 0", "order of 1"] * 4
    nobody = ["rates_digest", "lr_changes", "applied_dropout", "test_loss", "test_correct"]
    assert runs[nobody].isna().all().all()
    epochs = read_epochs(whole).merge(runs[["run_id", "trainer_args"]])
    val = epochs[epochs["split"] == "val"].sort_values(["scheduler", "epoch"])
    assert val["learning_rate"].tolist() == [0.25] * 8 + [0.25] * 4 + [0.125] * 4
    assert epochs[["learning_rate_first", "learning_rate_last"]].isna().all().all()
    metrics = read_metrics(whole)
    assert metrics.groupby("metric")["value"].unique().map(list).to_dict() == {
        "energy": [2.5],
        "f1": [0.1, 0.2],
    }
    table = compare(runs, reference="constant")
    primary = table[table["family"] == "scheduler"]
    assert primary["pairing"].tolist() == ["verified"] * 2
    assert primary["mean"].tolist() == pytest.approx([1.0, 1.0])
    assert verify_results(whole).findings == ()


def test_the_template_is_part_of_what_a_run_is(whole, tmp_path):
    (plugins,) = read_runs(whole)["plugins"].unique()
    assert [*json.loads(plugins)] == ["trainer command"]
    first = sweep(tmp_path)
    assert (first.completed, first.reused) == (8, 0)
    again = sweep(tmp_path)
    assert (again.completed, again.reused) == (0, 8)
    other = f"{PYTHON} '{tmp_path / 'train.py'}' {{seed}} {{lr}}  {{epochs}} {{width}} {{folder}}"
    assert sweep(tmp_path, command=other).completed == 8


@pytest.mark.slow
def test_workers_start_the_same_programs(whole, tmp_path):
    assert sweep(tmp_path, workers=2).completed == 8
    numbers = ["scheduler", "trainer_args", "seed", "test_accuracy", "val_loss", "init_digest"]
    ours, theirs = (
        read_runs(folder)[numbers].sort_values(numbers, ignore_index=True)
        for folder in (tmp_path / "results" / "told", whole)
    )
    assert ours.equals(theirs)


def test_a_program_is_told_all_that_it_may_ask_for(tmp_path):
    names = ("seed", "lr", "dropout", "epochs", "scheduler", "class", "width")
    shown = tmp_path / "shown"
    of = make_run(
        "OneCycleLR",
        trainer="command",
        epochs=2,
        arguments={"max_lr": "2 lr", "total_steps": "steps", "interval": "step"},
    )
    words = " ".join(f"{name}={{{name}}}" for name in names)
    template = (
        f'{PYTHON} -c \'import sys, shutil; open(sys.argv[1], "w").write(str(sys.argv[3:])); '
        f"shutil.copy(sys.argv[2], sys.argv[1] + \".json\")' {shown} {{args}} {words} 'a {{{{b}}}}'"
    )
    record, _ = start("", of, Terms(steps_per_epoch=5), template)
    assert record.run["error"] == "the command wrote nothing into {folder}/metrics.jsonl"
    assert shown.read_text() == str(
        [
            *("seed=0", "lr=0.1", "dropout=0.25", "epochs=2", "scheduler=OneCycleLR"),
            *("class=OneCycleLR", "width=4", "a {b}"),
        ]
    )
    arguments = json.loads(shown.with_suffix(".json").read_text())
    assert (arguments["max_lr"], arguments["total_steps"]) == (0.2, 10)
    start("", of, Terms(), template)
    arguments = json.loads(shown.with_suffix(".json").read_text())
    assert (arguments["max_lr"], arguments["total_steps"]) == ("2 lr", "steps")


GOOD = 'out.write(\'{"epoch": 1, "split": "test", "f1": 0.5}\\n\')\n'

FAILURES = [
    ("", "the command wrote nothing into {folder}/metrics.jsonl"),
    (f"{GOOD}sys.exit('no GPU')", "the command ended with 1: no GPU"),
    ("sys.exit(3)", "the command ended with 3, and wrote nothing to stderr"),
    ("os.kill(os.getpid(), 9)", "the command ended with 137, and wrote nothing to stderr"),
    (f"{GOOD}out.write('Epoch 2\\n')", "line 2 of metrics.jsonl is no JSON: 'Epoch 2'"),
    ("out.write('\\n[1]')", "line 2 of metrics.jsonl is no JSON object: '[1]'"),
    ("out.write('{\"epoch\": 1}')", "line 1 of metrics.jsonl: give loss=, accuracy= or a metric "),
    (
        'out.write(\'{"epoch": 1, "split": "test", "accuracy": 93.4}\')',
        "line 1 of metrics.jsonl: accuracy is a share from 0 to 1, not 93.4; divide by 100",
    ),
    (
        'out.write(\'{"self": "x"}\')',
        "line 1 of metrics.jsonl: self must be a number, not str",
    ),
    (
        "out.write('{\"learning_rate\": 0.1}')",
        "line 1 of metrics.jsonl: learning_rate is of an epoch: give epoch, from 1 to 1, not None",
    ),
    (
        'out.write(\'{"epoch": 1, "learning_rate": -1}\')',
        "line 1 of metrics.jsonl: learning_rate must be a finite number from 0, not -1",
    ),
    (
        'out.write(\'{"init_digest": "a"}\\n{"init_digest": "b"}\')',
        "line 2 of metrics.jsonl: init_digest is 'b', and was 'a' before",
    ),
    (
        "out.write('{\"order_digest\": 3}')",
        "line 1 of metrics.jsonl: order_digest must be a text of 1 to 64 characters, not 3",
    ),
    (
        'out.write(\'{"epoch": 1, "split": "val", "f1": 0.5}\')',
        "comparison.metric is test_f1; the loop logged val_f1 of the last epoch",
    ),
]


@pytest.mark.parametrize(("lines", "message"), FAILURES)
def test_each_mistake_of_a_program_has_its_one_error(lines, message):
    record, _ = start(lines)
    assert record.run["status"] == "failed"
    assert record.run["engine"] == "command"
    assert record.run["error"].startswith(message)
    # one that ends with an error may do better the next time, a mistake does not
    assert record.is_final == (not message.startswith("the command ended with"))


def test_a_program_that_stops_early_or_is_not_there_has_failed():
    of = make_run(epochs=2, trainer="command")
    record, _ = start(GOOD, of)
    assert record.run["error"] == "the command ended after 1 of 2 epochs logged"
    record, _ = start("", template="no-such-program --seed {seed}")
    assert record.run["error"] == (
        "the command ended with 127: no-such-program: No such file or directory"
    )


RATE = 'out.write(\'{"epoch": EPOCH, "learning_rate": 0.5}\\n\')\n'


@pytest.mark.parametrize("told", [(1,), (3,), (1, 3)])
def test_rates_are_told_for_all_epochs_or_for_none(told):
    of = make_run(epochs=3, trainer="command")
    logged = [GOOD.replace("1", str(epoch), 1) for epoch in (1, 2, 3)]
    rates = [RATE.replace("EPOCH", str(epoch)) for epoch in told]
    record, _ = start("".join([*logged, *rates]), of)
    assert record.run["status"] == "failed"
    assert record.is_final
    assert record.run["error"] == (
        f"learning_rate is there for {len(told)} of 3 epochs; give it for all of them, or for none"
    )


@pytest.mark.parametrize("told", [(), (1, 2)])
def test_the_rates_of_every_epoch_are_kept_or_none_are(told):
    of = make_run(epochs=2, trainer="command")
    logged = [
        GOOD.replace("1", str(epoch), 1).replace('"f1"', '"loss": 1, "f1"') for epoch in (1, 2)
    ]
    rates = [RATE.replace("EPOCH", str(epoch)) for epoch in told]
    record, _ = start("".join([*logged, *rates]), of)
    assert record.run["status"] == "completed"
    assert [row["learning_rate"] for row in record.epochs] == [0.5 if told else None] * 2


def test_a_loss_that_is_not_finite_ends_the_program():
    begun = time.monotonic()
    record, _ = start(
        'out.write(\'{"epoch": 1, "split": "train", "loss": NaN}\\n\'); out.flush()\n'
        "import time; time.sleep(60)"
    )
    assert record.run["status"] == "diverged"
    assert record.run["diverged_at_step"] is None
    assert time.monotonic() - begun < 50


def test_what_a_program_writes_is_told_as_it_comes():
    of = make_run(epochs=2, trainer="command")
    record, told = start(GOOD + GOOD.replace("1", "2", 1), of)
    assert record.run["status"] == "completed"
    assert [each.epoch for each in told if isinstance(each, EpochDone)] == [1, 2]


def is_running(number: int) -> bool:
    """Whether there is such a process that has not ended."""
    try:
        with open(f"/proc/{number}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks for processes in /proc")
def test_a_program_ends_with_the_process_that_asked_for_it(tmp_path):
    (tmp_path / "hang.py").write_text(
        "import os, subprocess, sys, time\n"
        "other = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(tmp_path / 'numbers')!r}, 'w').write(f'{{os.getpid()}} {{other.pid}} ')\n"
        "time.sleep(600)\n"
    )
    (tmp_path / "told.yaml").write_text(SWEEP)
    command = f"{PYTHON} '{tmp_path / 'hang.py'}' {{seed}}"
    asking = subprocess.Popen(
        [
            *(sys.executable, "-c", "from lrdecay.cli import main; main()", "sweep"),
            *(tmp_path / "told.yaml", "--command", command),
            *("--workers", "0", "--results", tmp_path / "results"),
        ],
        env={**os.environ, "PYTHONPATH": str(HOME)},
    )
    numbers: list[int] = []
    for _ in range(600):
        if (tmp_path / "numbers").exists():
            numbers = [int(n) for n in (tmp_path / "numbers").read_text().split(" ")[:-1]]
        if len(numbers) == 2:
            break
        time.sleep(0.1)
    assert all(map(is_running, numbers))
    assert len(numbers) == 2
    asking.send_signal(signal.SIGKILL)
    asking.wait()
    for _ in range(300):
        if not any(map(is_running, numbers)):
            break
        time.sleep(0.1)
    assert not any(map(is_running, numbers))


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (
            None,
            "trainer: command needs --command, such as --command 'python train.py --seed {seed}",
        ),
        (
            "python train.py {sed}",
            "--command: {sed} is no placeholder; there are seed, lr, epochs, scheduler, class, "
            "args, folder, width",
        ),
        ("python train.py {lr:g}", "--command: {lr:g} is no placeholder; there are seed, lr, "),
        ("python train.py {}", "--command: {} is no placeholder; there are seed, lr, "),
        ("python train.py {dropout}", "--command: {dropout} is no placeholder; there are seed"),
        ("python 'train.py", '--command: "python \'train.py" cannot be read: No closing quotation'),
        ("python {seed", "--command: 'python {seed' cannot be read: expected '}' before end of"),
        (" ", "--command: is empty"),
    ],
)
def test_each_mistake_in_a_command_is_told_before_anything_trains(command, message, tmp_path):
    with pytest.raises(InputError) as caught:
        sweep(tmp_path, command=command)
    assert str(caught.value).startswith(message)
    assert not (tmp_path / "results").exists()
    given = [] if command is None else ["--command", command]
    shown = call("plan", tmp_path / "told.yaml", *given)
    assert shown.exit_code == 2
    assert message.split(", such as")[0] in shown.output


def test_a_command_goes_with_its_trainer_alone(tmp_path):
    for trainer, what in (("trainer: script", "trainer: script"), ("dataset: digits",) * 2):
        text = SWEEP.replace("trainer: {name: command, width: [8, 16]}", trainer)
        with pytest.raises(InputError) as caught:
            sweep(tmp_path, text)
        assert str(caught.value) == (
            f"--command: goes with trainer: command, and this sweep file has {what}"
        )
    with pytest.raises(InputError, match="told: a program trains this sweep, for trainer is com"):
        lrdecay.trials(parse_sweep(SWEEP))


def test_plan_takes_the_command_too(tmp_path):
    text = SWEEP.replace("epochs: 2", "epochs: 2\nsteps_per_epoch: 3")
    (tmp_path / "told.yaml").write_text(text)
    shown = call("plan", tmp_path / "told.yaml", "--command", "python train.py {seed}")
    assert shown.exit_code == 0, shown.output
    assert "step" in shown.output.partition("learning rate")[2]
