"""What `make bench` compares: the contestants, the table of speed, and JAX's loop against torch."""

import dataclasses
import os

import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from bench import contestants, plain, side, speed_table, tutorial
from bench.crew import Crew
from lrdecay import engine
from lrdecay.components.models.build import build_model

CASE = speed_table.Case("digits", 100, 2, side=8, run_epochs=20, run_images=100)
RATES = {"plain loops": [100.0, 200.0, 400.0], "stacked engine": [400.0, 600.0, 800.0]}
RUNS = {"plain loops": 1, "stacked engine": 16}


@pytest.mark.parametrize("size", [8, 28])
def test_operations_are_those_that_torch_counts(size):
    model = build_model("cnn", (1, size, size), 10, seed=0, dropout=0.0, batch_norm=False)
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(2, 1, size, size)).sum().backward()
    assert side.count_flops(size) == counter.get_total_flops() / 2


def test_ratios_refer_to_plain_loops_round_by_round():
    text, rows = speed_table.make_table(CASE, RATES, RUNS, 1e9, 2, "cpu")
    share = f"{600 * side.count_flops(8) / 1e9:.0%}"
    assert rows[0] == [
        "",
        "images/s",
        "runs/h (20 epochs)",
        "ratio to plain loops",
        "share of peak",
    ]
    assert rows[1][:4] == ["plain loops", "200", "360", "1.0 (1.0 to 1.0)"]
    assert rows[2] == ["stacked engine, 16 at once", "600", "1,080", "3.0 (2.0 to 4.0)", share]
    assert "3 rounds" in text
    assert "Peak: 1 GFLOP/s" in text


def test_a_table_without_jax_says_how_to_add_it():
    without, _ = speed_table.make_table(CASE, RATES, RUNS, 1e9, 2, "cpu")
    with_it = RATES | {"JAX": [1.0, 1.0, 1.0]}, RUNS | {"JAX": 1}
    there, _ = speed_table.make_table(CASE, *with_it, 1e9, 2, "cpu")
    assert "pip install 'jax>=0.6'" in without
    assert "pip install" not in there


def test_the_native_engine_takes_part_where_its_kernel_was_compiled(monkeypatch):
    assert set(contestants.ENGINES.values()) <= set(engine.__all__)
    monkeypatch.setattr(contestants, "explain_absence", lambda: "it was not compiled")
    assert contestants.list_engines("cpu") == ["reference", "stacked"]
    monkeypatch.setattr(contestants, "explain_absence", lambda: None)
    assert contestants.list_engines("cpu") == ["reference", "stacked", "native"]
    assert contestants.list_engines("cuda") == ["reference", "stacked"]


def test_without_jax_its_row_is_left_out(monkeypatch):
    monkeypatch.setattr(contestants, "find_spec", lambda name: None)
    names = [each.name for each in contestants.list_contestants("cpu")]
    assert names[:4] == ["tutorial's loop", "plain loops", "reference engine", "stacked engine"]


def test_plain_loops_measure_what_lrdecay_measures():
    _, data = side.prepare(side.Task("digits", None, 1198, 2))
    first, second = plain.train(data, 2, 0, "cpu")
    assert first.keys() == second.keys() == {"train", "train_eval", "val", "test"}
    assert second["test"][0] < first["test"][0] < 2.4
    assert second["test"][1] > 0.4
    model = tutorial.network(8).eval()
    loss, accuracy = plain.evaluate(model, plain._to_dataset(data.test))
    logits = model(data.test.images).detach()
    assert loss == pytest.approx(float(F.cross_entropy(logits, data.test.labels)), rel=1e-5)
    right = int((logits.argmax(1) == data.test.labels).sum())
    assert accuracy == right / len(data.test)


def get_environment(name: str) -> tuple[int, str | None]:
    return os.getpid(), os.environ.get(name)


@pytest.mark.slow
def test_every_process_of_a_crew_does_the_work_in_its_environment():
    with Crew(2, {"OF_THE_CREW": "yes"}) as crew:
        found = crew.do(get_environment, "OF_THE_CREW")
    assert [value for _, value in found] == ["yes", "yes"]
    assert len({process for process, _ in found} | {os.getpid()}) == 3
    assert "OF_THE_CREW" not in os.environ


# JAX's loop, where it is installed.


def to_jax(model):
    """A torch network's weights as JAX's loop has them: channels last."""
    conv1, conv2, linear1, linear2 = (each for each in model if hasattr(each, "weight"))
    pixels = linear1.in_features // 32
    weights = {
        "conv1": conv1.weight.permute(2, 3, 1, 0).reshape(9, 16),
        "conv2": conv2.weight.permute(2, 3, 1, 0).reshape(144, 32),
        "linear1": linear1.weight.view(128, 32, pixels).permute(2, 1, 0).reshape(-1, 128),
        "linear2": linear2.weight.T,
    }
    for name, layer in zip(weights.copy(), (conv1, conv2, linear1, linear2), strict=True):
        weights[f"{name}_bias"] = layer.bias
    return {name: value.detach().clone().numpy() for name, value in weights.items()}


def test_first_steps_in_jax_are_those_of_torch():
    jax = pytest.importorskip("jax")
    from bench import jax_loop

    _, data = side.prepare(side.Task("digits", None, 1198, 1))
    few = dataclasses.replace(data, train=data.train.first(5 * 64 + 17))
    splits = jax_loop.read_splits(few)
    torch.manual_seed(0)
    models = [tutorial.network(8).eval() for _ in range(2)]  # eval: without dropout
    orders = torch.stack([torch.randperm(len(few.train)) for _ in models])
    of_runs = [
        jax_loop.init_state(jax.random.key(0), 8)._replace(weights=to_jax(model))
        for model in models
    ]
    states = jax.tree.map(lambda *each: jax.numpy.stack(each), *of_runs)
    states, losses, right = jax_loop.train_epoch(
        states, jax.numpy.asarray(orders.numpy()), *splits["train"], 0.001, dropout=0.0
    )
    measured = jax_loop.evaluate(states.weights, *splits["test"])
    for number, model in enumerate(models):
        optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
        total, correct = 0.0, 0
        for batch in orders[number].split(64):
            logits, labels = model(few.train.images[batch]), few.train.labels[batch]
            loss = F.cross_entropy(logits, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch)
            correct += int((logits.argmax(1) == labels).sum())
        assert float(losses[number]) == pytest.approx(total / len(few.train), abs=1e-5)
        assert float(right[number]) == pytest.approx(correct / len(few.train), abs=1e-6)
        for name, value in to_jax(model).items():
            found = torch.from_numpy(jax.device_get(states.weights[name][number]).copy())
            torch.testing.assert_close(found, torch.from_numpy(value), rtol=0, atol=2e-5)
        with torch.no_grad():
            of_test = F.cross_entropy(model(data.test.images), data.test.labels)
        assert float(measured[0][number]) == pytest.approx(float(of_test), abs=1e-5)


def test_dropout_in_jax_keeps_seven_in_ten():
    jax = pytest.importorskip("jax")
    from bench import jax_loop

    dropped = jax_loop._drop(jax.numpy.ones(100_000), 0.3, jax.random.key(0))
    assert sorted(set(dropped.tolist())) == pytest.approx([0.0, 1 / 0.7])
    assert float((dropped > 0).mean()) == pytest.approx(0.7, abs=0.01)


@pytest.mark.slow
def test_jax_learns_the_digits_as_plain_loops_do():
    pytest.importorskip("jax")
    from bench import jax_loop

    _, data = side.prepare(side.Task("digits", None, 1198, 10))
    of_jax = jax_loop.train(jax_loop.read_splits(data), 10, 4)[-1]
    of_torch = [plain.train(data, 10, seed, "cpu")[-1] for seed in range(4)]
    for split in ("train", "train_eval", "val", "test"):
        mean = sum(each[split][1] for each in of_torch) / 4
        assert float(of_jax[split][1].mean()) == pytest.approx(mean, abs=0.03), split
