"""`make gpu` runs to its end without a GPU, whatever its items do, and keeps what they found."""

import json
import os
import subprocess
import sys

import pandas as pd
import pytest
import torch
from helpers.paths import HOME
from helpers.pretended_gpu import pretend_gpu

RIGHT_WHERE_PRETENDED = ("facts", "stackable", "same bits")
HANGS_AFTER_TWO_ROWS = """
import sys, time
from pathlib import Path
from bench.gpu import process

def measure():
    rows = []
    for runs in (16, 64):
        rows.append({"runs": runs})
        yield {"rows": rows}
    print("the third", flush=True)
    time.sleep(60)

process.measure_here(measure, Path(sys.argv[-1]))
"""


def measure_all(tmp_path, *arguments, limit=560):
    """Run it without any GPU that this machine may have; return its code, words and results."""
    out = tmp_path / "gpu-results.json"
    done = subprocess.run(
        [sys.executable, "-m", "bench.gpu", "--out", out, *arguments],
        env=os.environ | {"CUDA_VISIBLE_DEVICES": ""},
        cwd=HOME,
        capture_output=True,
        text=True,
        timeout=limit,
    )
    return done.returncode, done.stdout, json.loads(out.read_text())


@pytest.mark.slow
def test_without_a_gpu_each_item_says_why_it_was_skipped(tmp_path):
    code, printed, results = measure_all(tmp_path)
    assert code == 0
    assert results["device"] == "none"
    assert len(results["items"]) == 10
    for name, found in results["items"].items():
        assert "finds no GPU here" in found["skipped"], name
        assert f"{name}: skipped: torch " in printed


@pytest.mark.slow
def test_what_can_be_is_measured_on_a_pretended_gpu(tmp_path):
    code, _, results = measure_all(tmp_path, "--pretend")
    assert code == 0, results
    for name, found in results["items"].items():
        if name in RIGHT_WHERE_PRETENDED:
            assert found["right"] is True, name
        else:
            assert found["skipped"] == "needs a real GPU", name
    plain = results["items"]["same bits"]["networks"]["plain"]
    assert plain["captured_equals_eager"] is plain["repeats"] is True
    assert plain["differences_to_the_CPU"]["losses_of_half_the_runs"] < 1e-5


# Items and their processes.


def test_what_was_found_before_an_item_hung_is_kept(monkeypatch):
    from bench.gpu import process, summary

    monkeypatch.setenv("PYTHONPATH", str(HOME))
    found = process.measure_apart([sys.executable, "-c", HANGS_AFTER_TWO_ROWS], 2)
    assert 2 <= found.pop("seconds") < 30
    assert found == {
        "rows": [{"runs": 16}, {"runs": 64}],
        "error": "not done after 2 s",
        "right": False,
        "printed": "the third\n",
    }
    assert summary.describe_answer(found) == "failed: not done after 2 s; kept: rows (2)"


@pytest.mark.parametrize(
    ("does", "error", "printed"),
    [
        ("sleep 60", "not done after 1 s", ""),
        ("kill -SEGV $$", "its process ended with code -11", ""),
        ("echo so it was; exit 3", "its process ended with code 3", "so it was\n"),
        ("exit 0", "its process ended with code 0", ""),
    ],
)
def test_an_item_that_hangs_or_dies_is_said(does, error, printed):
    from bench.gpu import process

    found = process.measure_apart(["sh", "-c", does, "sh"], 1)
    del found["seconds"]
    assert found == {"error": error, "right": False, "printed": printed}


def test_an_answer_that_was_whole_stays_whatever_its_process_does_then():
    from bench.gpu import process

    does = """printf '{"x": 1, "right": true}' > $2; kill -SEGV $$"""
    found = process.measure_apart(["sh", "-c", does, "sh"], 9)
    assert (found["x"], found["right"], "error" in found) == (1, True, False)


def test_what_an_item_raises_stands_beside_what_it_found(tmp_path):
    from bench.gpu import process
    from bench.gpu.items import SkippedError

    def measure(error):
        yield {"rows": [1]}
        yield {"rows": [1, 2]}
        raise error

    out = tmp_path / "found.json"
    process.measure_here(lambda: measure(ValueError("no")), out)
    found = json.loads(out.read_text())
    assert found.pop("traceback")[-1] == "ValueError: no"
    assert found == {"rows": [1, 2], "error": "ValueError: no"}
    process.measure_here(lambda: measure(SkippedError("too old")), out)
    assert json.loads(out.read_text()) == {"rows": [1, 2], "skipped": "too old"}
    assert os.listdir(tmp_path) == ["found.json"]


def test_what_matters_most_comes_first_and_has_its_time_whatever_happens():
    from bench.gpu import __main__ as gpu

    assert sorted(gpu.ORDER) == sorted(gpu.ITEMS)
    assert gpu.ORDER[: len(gpu.FIRST)] == gpu.FIRST
    assert sum(gpu.ITEMS[name].limit for name in gpu.FIRST) <= gpu.BUDGET == 480
    assert gpu.ORDER.index("kernels") < gpu.ORDER.index("speed")


def test_items_after_the_budget_are_skipped():
    from bench.gpu import __main__ as gpu

    found = gpu._measure_apart(gpu.ITEMS["speed"], False, 5.0)
    assert found == {"skipped": "the 480 s for all items are over"}


# What is timed.


def test_networks_of_a_thousand_runs_are_sixteen(monkeypatch):
    from bench.gpu import cases, problem

    runs = problem.make_runs(1024, seeds=cases.SEEDS)
    assert [run.seed for run in runs] == [*range(16)] * 64
    assert len({(run.seed, run.dropout) for run in runs}) == 16
    assert [run.seed for run in problem.make_runs(20)] == [*range(20)]
    built = []
    monkeypatch.setattr(cases, "Lockstep", lambda runs, *_: built.extend(runs))
    cases.Case(1024, kernels="triton", precision="tf32").build(torch.device("cpu"))
    assert built == problem.make_runs(1024, kernels="triton", precision="tf32", seeds=16)


def test_cases_come_with_the_fewest_runs_first():
    from bench.gpu import timing

    found = timing._list_cases()
    assert [case.runs for case in found] == [16, 16, 64, 64, *[256] * 6, 1024, 1024]
    assert len(set(found)) == 12


@pytest.mark.parametrize(
    ("how", "capability", "skipped"),
    [
        (("torch", "tf32"), (7, 5), "needs compute capability 8.0; this GPU has 7.5"),
        (("torch", "bfloat16"), (7, 0), "needs compute capability 8.0; this GPU has 7.0"),
        (("triton", "float32"), (7, 5), "needs compute capability 8.0; this GPU has 7.5"),
        (("torch", "float32"), (7, 5), None),
        (("torch", "bfloat16"), (8, 0), None),
        (("triton", "tf32x3"), (9, 0), None),
    ],
)
def test_what_an_old_gpu_lacks_is_skipped(monkeypatch, how, capability, skipped):
    from bench.gpu import cases

    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(cases.Case, "_time", lambda self, device: {"step_ms": 1.0})
    row = cases.Case(16, False, *how).measure(torch.device("cuda"))
    assert (row["kernels"], row["precision"]) == how
    assert row.get("skipped") == skipped
    assert ("step_ms" in row) == (skipped is None)
    assert cases.is_right(row)


def test_a_case_that_fails_is_a_row_unless_the_gpu_is_lost(monkeypatch):
    from bench.gpu import cases

    def fail_with(error):
        def fail(self, device):
            raise error

        monkeypatch.setattr(cases.Case, "_time", fail)
        row = cases.Case(2).measure(torch.device("cuda"))
        return {key: row[key] for key in row.keys() & {"skipped", "error", "runs"}}

    assert fail_with(torch.OutOfMemoryError("CUDA out of memory")) == {
        "runs": 2,
        "skipped": "out of memory",
    }
    failed = fail_with(ValueError("a shape\nand more"))
    assert failed == {"runs": 2, "error": "ValueError: a shape"}
    assert not cases.is_right(failed)
    with pytest.raises(torch.AcceleratorError):
        fail_with(torch.AcceleratorError("CUDA error: an illegal memory access"))


def test_half_of_the_runs_are_judged_and_all_are_reported():
    from bench.gpu.training import Trained

    one = Trained(torch.zeros(2, 3), [torch.zeros(3, 2)])
    losses = torch.tensor([[0.0, 0.25, 0.0], [0.5, 0.125, 2.0]])
    other = Trained(losses, [torch.tensor([[0.0, 0.0], [0.0, -4.0], [1.0, 0.0]])])
    assert one.compare(other) == {"losses_of_half_the_runs": 0.5, "losses": 2.0, "weights": 4.0}
    assert one.equals(one)
    assert not one.equals(other)


@pytest.mark.parametrize(
    ("triton_ms", "losses", "default", "right"),
    [
        (1.0, 0.0, "triton", True),
        (3.0, 0.0, "torch", True),
        (1.0, 0.1, "torch", False),
        (None, 0.0, "torch", False),
    ],
)
def test_the_kernels_are_for_default_where_right_and_faster(
    monkeypatch, triton_ms, losses, default, right
):
    from bench.gpu import cases, kernels
    from bench.gpu.training import Trained

    def measure(self, device):
        took = triton_ms if self.kernels == "triton" else 2.0
        return {**vars(self), **({"error": "no"} if took is None else {"step_ms": took})}

    def train(by, precision, device):
        return Trained(torch.full((6, 8), losses * (by == "triton")), [torch.ones(8)])

    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    monkeypatch.setattr(cases.Case, "measure", measure)
    monkeypatch.setattr(kernels, "_train", train)
    parts = list(kernels.kernels(torch.device("cuda")))
    found = {key: value for part in parts for key, value in part.items()}
    assert len(found["rows"]) == 12
    assert (found["default_should_be"], found["right"]) == (default, right)
    assert found["differences_to_torch"]["float32"] == {
        "losses_of_half_the_runs": pytest.approx(losses),
        "losses": pytest.approx(losses),
        "weights": 0.0,
    }
    # which is the default is known before the largest group is tried
    first = next(number for number, part in enumerate(parts) if "default_should_be" in part)
    assert {row["runs"] for row in found["rows"][:4]} == {256}
    assert first == len(kernels.PRECISIONS) + 1 + 4


# Whole sweeps.


def table(accuracy=(0.9, 0.8), digest="a", status="completed", loss=0.5):
    return pd.DataFrame(
        {
            "run_id": ["x", "y"],
            "scheduler": "constant",
            "dropout": 0.3,
            "status": status,
            "engine": "stacked",
            "test_accuracy": accuracy,
            "test_loss": loss,
            "rates_digest": digest,
            "order_digest": "b",
            "init_digest": "c",
        }
    )


def test_sweeps_are_judged_by_digests_and_means_and_bits_are_reported():
    from bench.gpu import whole

    def compare(**other):
        found = whole.compare_tables(table(), table(**other))
        return found["right"], found["bits_are_equal"], found["digests_are_equal"]

    assert compare() == (True, True, True)
    assert compare(loss=0.5001) == (True, False, True)
    assert compare(accuracy=(0.91, 0.82)) == (True, False, True)  # 0.015 on average
    assert compare(accuracy=(0.93, 0.82)) == (False, False, True)  # 0.025
    assert compare(digest="other") == (False, True, False)
    assert compare(status="diverged") == (False, True, True)
    turned = whole.compare_tables(table(), table()[::-1])
    assert turned["right"] is turned["bits_are_equal"] is True


@pytest.mark.slow
def test_the_sweep_of_the_bench_trains_on_a_cpu(monkeypatch):
    from bench.gpu import whole

    def run_on_cpu(command, **options):
        on_cpu = ["cpu" if each == "cuda" else each for each in command]
        return subprocess.run(on_cpu, **options)

    small = whole.SWEEP.replace("epochs: 5", "epochs: 2").replace("seeds: 32", "seeds: 2")
    monkeypatch.setattr(whole, "SWEEP", small)
    monkeypatch.setattr(whole, "run_command", run_on_cpu)
    found = {}
    for part in whole.sweep(torch.device("cpu")):
        found |= part
    assert found["right"] is found["bits_are_equal"] is True, found
    assert (found["runs"], found["status"]) == (12, {"completed": 12})
    assert found["largest_difference_of_mean_accuracy"] == 0
    assert len(found["mean_accuracy"]) == 6


# The tables.


def test_rows_that_were_kept_are_in_the_tables(monkeypatch, tmp_path):
    from bench import tables
    from bench.gpu import __main__ as gpu

    file = tmp_path / "RESULTS.md"
    file.write_text("# T\n\n## On a GPU: what works\n\nNothing yet.\n\n## Other\n\nThis stays.\n")
    monkeypatch.setattr(tables, "RESULTS", file)
    monkeypatch.setattr(tables, "device_name", lambda device: "A GPU")
    timed = {"runs": 16, "batch_norm": True, "kernels": "torch", "precision": "float32"}
    timed |= {"step_ms": 1.234, "step_us_per_run": 77.1, "evaluation_ms": 0.5}
    timed |= {"peak_allocated_GiB": 0.51, "peak_reserved_GiB": 0.75}
    gpu.summary.write_tables(
        {
            "facts": {"right": True, "seconds": 8.0},
            "speed": {"error": "not done after 100 s", "right": False, "rows": [timed]},
            "resnet": {"skipped": "the 480 s for all items are over"},
        }
    )
    text = file.read_text()
    assert "Nothing yet." not in text
    assert "This stays." in text
    assert "| right, 8.0 s |" in text
    assert "| failed: not done after 100 s; kept: rows (1) |" in text
    assert "| skipped: the 480 s for all items are over |" in text
    row = "| speed | 16 | yes | torch | float32 | 1.23 | 77.1 | 0.50 | 0.5 | 0.8 |"
    assert row in text
    assert "Measured on: A GPU, one GPU" in text


def test_what_is_not_measured_is_said():
    from bench import tables
    from bench.gpu import summary

    text = tables.RESULTS.read_text()
    assert text.startswith(f"# Measured speed\n\n{tables._METHOD}\n")
    if summary.TIMES_TITLE not in text:
        section = dict(tables._sections(text))[summary.ITEMS_TITLE]
        assert section.startswith("Nothing has been measured on a GPU.")


# What a GPU is needed for, on a pretended one: that its lines run.


@pytest.fixture
def pretended(monkeypatch):
    """A GPU of 4 MiB a run, 2 of them allocated."""
    from bench.gpu import cases, problem, timing

    counted = iter(range(1, 99))
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda: None)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: next(counted) << 21)
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda: next(counted) << 21)
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda: 0)
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", lambda share: None)
    monkeypatch.setattr(cases, "ROUNDS", 1)
    monkeypatch.setattr(timing, "COUNTS", (2, 4))
    monkeypatch.setattr(timing, "AT_MOST", 4)
    monkeypatch.setattr(timing, "PRECISIONS", ())
    whole_data = problem.made_up(problem.SIDE, 512, 40)
    monkeypatch.setattr(problem, "made_up", lambda side=problem.SIDE: whole_data)
    with pretend_gpu():
        yield torch.device("cuda")


def collect(parts):
    found = {}
    for part in parts:
        found |= part
    return found


@pytest.mark.slow
def test_speed_is_timed(pretended):
    from bench.gpu import timing

    found = collect(timing.speed(pretended))
    assert found["right"] is True, found
    sizes = [(row["runs"], row["batch_norm"]) for row in found["rows"]]
    assert sizes == [(2, False), (2, True), (4, False), (4, True)]
    for row in found["rows"]:
        assert row["step_us_per_run"] == pytest.approx(1000 * row["step_ms"] / row["runs"])
        assert row["evaluation_ms"] > 0
    assert found["rows"][0]["peak_allocated_GiB"] == 2**21 / 2**30
    assert found["rows"][0]["peak_reserved_GiB"] == 2**22 / 2**30


@pytest.mark.slow
def test_the_tutorials_loop_is_timed_beside_a_group(pretended):
    from bench.gpu import timing

    found = collect(timing.tutorial_loop(pretended))
    ratio = found["loop_step_ms"] / found["group_step_ms_per_run"]
    assert found["times_as_fast"] == pytest.approx(ratio)


@pytest.mark.slow
def test_memory_is_compared_as_it_is_reserved(pretended, monkeypatch):
    from bench.gpu import whole

    monkeypatch.setattr(whole, "COUNTS", (2, 3))
    monkeypatch.setattr(whole, "OUT_OF_MEMORY", 4)
    found = collect(whole.memory(pretended))
    for row in found["a_run"].values():
        assert (row["allocated_MiB"], row["reserved_MiB"]) == (4, 4)  # two more peaks of 2 MiB
        assert 20 < row["estimated_MiB"] < 200
    assert found["estimates_are_enough"] is True
    assert found["at_2_GiB"] == {"status": {"completed": 4}, "notes": []}
    assert found["right"] is False  # memory did not end here
