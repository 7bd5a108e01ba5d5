"""What was planned before there were results stays, whatever the sweep file says later."""

from dataclasses import replace

import pytest
from helpers.first_plans import FEWER, looks_of, planned, sweep, text
from helpers.folders import SIX, record
from helpers.made_up import Training
from helpers.training import digits

from lrdecay.core.errors import DamagedError
from lrdecay.core.first_plan import FirstPlan
from lrdecay.core.run import Run
from lrdecay.report.compare import compare_folder
from lrdecay.runner.coordinator import run_sweep
from lrdecay.runner.first_plan import (
    describe_first_plan,
    propose_first_plan,
    settle_first_plan,
)
from lrdecay.runner.sharding import Shard
from lrdecay.store.merge import merge_results
from lrdecay.store.parquet import read_facts, write_table
from lrdecay.store.reader import read_plan, read_runs
from lrdecay.store.verify import verify_results
from lrdecay.store.versions import read_table
from lrdecay.store.writer import Store
from lrdecay.sweep.matrix import expand_matrix
from lrdecay.sweep.reading import parse_sweep


@pytest.fixture
def training(monkeypatch) -> Training:
    return Training(monkeypatch)


def propose(sweep_text: str) -> FirstPlan:
    sweep = parse_sweep(sweep_text)
    return propose_first_plan(sweep, expand_matrix(sweep, digits()))


# What a sweep plans


@pytest.mark.parametrize(
    ("sweep_text", "plan"),
    [
        (text(8), planned()),
        (text(3), planned(3, seeds=range(3))),
        (text([5, 3, 9]), planned(3, seeds=[5, 3, 9])),
        (text("{min: 8, max: 64, until: resolved}"), planned(8, 64, seeds=range(64))),
        (text("{min: 12, max: 20}"), planned(12, 20, seeds=range(20))),
        (text(dropout="[0.0, 0.3, 0.5]"), planned(family=6)),
        (text(dropout="[0.0, 0.3]", lr="[0.1, 0.01]"), planned(family=8)),
        # a chosen rate is no axis
        (text(lr="{choose: [0.001, 0.003], seeds: 1}"), planned()),
        (
            text(comparison="reference: step, metric: test_loss, margin: 0.01, confidence: 0.9"),
            planned(
                reference="step",
                metric="test_loss",
                margin=0.01,
                confidence=0.9,
                schedules=('StepLR {"gamma":0.5,"interval":"epoch","step_size":1}',),
            ),
        ),
        (text(schedulers="\n  constant: {class: constant}\n"), planned(family=1)),
    ],
)
def test_what_a_sweep_file_plans(sweep_text, plan):
    assert propose(sweep_text) == plan


def test_it_is_on_the_disk_before_anything_trains(tmp_path, monkeypatch):
    training, seen = Training(monkeypatch), []
    train = training._train

    def watching(groups, setup, tell):
        seen.append(read_plan(tmp_path / "small").first_plan)
        train(groups, setup, tell)

    monkeypatch.setattr("lrdecay.execution.local.executor.Local.train", staticmethod(watching))
    found, said = sweep(tmp_path, text(8))
    assert seen == [found] == [planned()]
    assert said == []


# When it may be replaced


def test_it_is_replaced_as_long_as_no_run_of_the_comparison_has_ended(tmp_path, training):
    choosing = "{choose: [0.001, 0.003], seeds: 1}"
    # the first of six trials has ended
    assert sweep(tmp_path, text(16, lr=choosing), 1)[0] == planned(16, seeds=range(16))
    # another number of seeds, another margin, fewer schedulers: all of it is new
    other = text(8, FEWER, "margin: 0.2", lr=choosing)
    assert sweep(tmp_path, other, 1) == (planned(family=1, margin=0.2), [])
    assert set(read_runs(tmp_path / "small")["phase"]) == {"choose"}
    # all trials of constant and step, and one run of the comparison
    assert sweep(tmp_path, text(8, lr=choosing), 5)[0] == planned()
    assert "compare" in set(read_runs(tmp_path / "small")["phase"])
    later, _ = sweep(tmp_path, text(12, lr=choosing, comparison="margin: 0.3"))
    assert later == planned(seeds=range(12))


def test_from_the_first_run_on_it_is_kept(tmp_path, training):
    assert sweep(tmp_path, text(8), 1)[0] == planned()
    # but for the seeds that are added at the end
    for seeds, kept in ((16, 16), ("{min: 8, max: 64}", 64), ([7, 6, 5], 64)):
        assert sweep(tmp_path, text(seeds), 1)[0] == planned(seeds=range(kept))
    plan, _ = sweep(tmp_path, text(8, comparison="reference: step, margin: 3"))
    assert plan == planned(seeds=range(64))


@pytest.mark.parametrize("status", ["completed", "diverged", "failed"])
def test_a_run_that_ended_in_any_way_and_anywhere_freezes_it(tmp_path, status):
    store = Store(tmp_path)
    other, kept = planned(16, seeds=range(16)), planned(seeds=range(16))
    assert not store.has_compared()
    assert settle_first_plan(store, other) == other
    store.compact(SIX, text(8), first_plan=planned())
    assert settle_first_plan(store, other) == other
    trial = replace(SIX[0], seed=99, phase="choose")
    store.commit([record(trial)])
    store.compact([trial, *SIX], text(8), first_plan=planned())
    assert not store.has_compared()
    store.commit([record(SIX[1], status)])
    for _ in range(2):  # in a part, then in the tables
        assert store.has_compared()
        assert settle_first_plan(store, other) == kept
        store.compact([trial, *SIX], text(8), first_plan=planned())
    store.compact([trial], text(8), first_plan=planned())
    assert set(read_runs(tmp_path)["phase"]) == {"choose"}
    assert store.has_compared()  # in earlier/
    assert settle_first_plan(store, other) == kept


# Seeds that are added, and where verdicts are made then


def test_seeds_that_are_added_by_edits_have_looks_of_their_own(tmp_path, training):
    assert sweep(tmp_path, text(8)) == (planned(), [])
    assert looks_of(tmp_path) == [8]
    first = "this comparison was first planned at 8 seeds, so its verdicts are made at "
    more = planned(seeds=range(16))
    assert sweep(tmp_path, text(16)) == (more, [f"{first}8, 12 and 16 seeds"])
    assert looks_of(tmp_path) == [8, 12, 16]
    more = planned(seeds=range(24))
    assert sweep(tmp_path, text(24)) == (more, [f"{first}8, 12, 16 and 24 seeds"])
    assert looks_of(tmp_path) == [8, 12, 16, 24]
    table = compare_folder(tmp_path / "small").found.primary
    # of 24 seeds one contrast of two may err with 2.5% of 5%
    assert table["level"].tolist() == pytest.approx([0.025 * 0.05 / 2] * 2)
    assert table["look"].tolist() == [24, 24]
    assert table["next_look"].tolist() == [32, 32]
    assert table["as_planned"].all()


def test_seeds_beyond_a_look_count_from_the_next_one_on(tmp_path, training):
    sweep(tmp_path, text(8))
    _, said = sweep(tmp_path, text(20))
    assert said == [
        "this comparison was first planned at 8 seeds, so its verdicts are made at 8, 12 and 16 "
        "seeds; seeds beyond 16 count in verdicts from 24 on"
    ]
    assert looks_of(tmp_path) == [8, 12, 16]
    table = compare_folder(tmp_path / "small").found.primary
    assert table["n"].tolist() == [20, 20]
    assert table["look"].tolist() == [16, 16]


@pytest.mark.parametrize(
    ("plan", "now", "said"),
    [
        (FirstPlan(8), FirstPlan(8), []),
        # another margin is no other number of seeds
        (FirstPlan(8, 64, margin=0.1), FirstPlan(8, 64, margin=0.2), []),
        (FirstPlan(8), FirstPlan(12), ["8 seeds, so its verdicts are made at 8 and 12 seeds"]),
        (FirstPlan(8), FirstPlan(8, 64), [
            "8 seeds, so its verdicts are made at 8, 12, 16, 24, 32, 48 and 64 seeds"
        ]),
        (FirstPlan(8, 64), FirstPlan(10), [
            "8 seeds, and up to 64, so its verdicts are made at 8 seeds; seeds beyond 8 count in "
            "verdicts from 12 on"
        ]),
        (FirstPlan(8, 8), FirstPlan(12), ["8 seeds, so its verdicts are made at 8 and 12 seeds"]),
        (FirstPlan(20), FirstPlan(16), [
            "20 seeds, so its verdicts are made at 8, 12 and 16 seeds"
        ]),
        # fewer seeds than any look has
        (FirstPlan(8), FirstPlan(5), ["8 seeds, so its verdicts begin at 8 seeds"]),
        (FirstPlan(1), FirstPlan(6), ["1 seed, so its verdicts begin at 8 seeds"]),
        (FirstPlan(3), FirstPlan(8), ["3 seeds, so its verdicts are made at 8 seeds"]),
    ],
)  # fmt: skip
def test_the_sweep_says_when_verdicts_are_made(plan, now, said):
    begin = "this comparison was first planned at "
    assert describe_first_plan(plan, now) == [begin + each for each in said]


def test_until_resolved_goes_from_look_to_look_of_the_first_plan(tmp_path, training):
    """Made-up runs are alike, so identical from the first look on: nothing is added."""
    sweep(tmp_path, text(8))
    training.forget()
    plan, said = sweep(tmp_path, text("{min: 8, max: 64, until: resolved}"))
    assert (plan, training.runs) == (planned(seeds=range(64)), [])
    assert len(said) == 1
    # of at least 10 seeds two more of each cell train, and wait for the look at 12
    plan, _ = sweep(tmp_path, text("{min: 10, max: 64, until: resolved}"))
    assert plan == planned(seeds=range(64))
    assert sorted({run.seed for run in training.runs}) == [8, 9]
    assert compare_folder(tmp_path / "small").found.primary["look"].tolist() == [8, 8]


# What is left of a family


def test_a_family_only_grows(tmp_path, training):
    def sizes():
        return set(compare_folder(tmp_path / "small").found.primary["family_size"])

    sweep(tmp_path, text(8, dropout="[0.0, 0.3]"))
    assert sizes() == {4}
    plan, _ = sweep(tmp_path, text(8, FEWER))
    assert plan == planned(family=4)
    table = compare_folder(tmp_path / "small").found.primary
    assert (len(table), sizes()) == (1, {4})
    assert table["level"].item() == pytest.approx(0.8 * 0.05 / 4)
    # other families have as many as there are
    plan, _ = sweep(tmp_path, text(8, dropout="[0.0, 0.3, 0.5]"))
    assert (plan, sizes()) == (planned(family=6), {6})
    whole = compare_folder(tmp_path / "small").found.table
    assert whole.groupby("family")["family_size"].first().to_dict() == {
        "scheduler": 6, "average": 2, "dropout": 6, "interaction": 4
    }  # fmt: skip


# Results of an older lrdecay


OLD = replace(planned(), reference="", schedules=(), seeds=())
"""What is known of it: the file names no reference."""


def forget_first_plan(folder) -> None:
    """Leave the plan as an older lrdecay wrote it."""
    path = folder / "plan.parquet"
    rows, facts = read_table(path), read_facts(path)
    assert facts.pop("looks")
    write_table(rows, path, facts)


def test_old_folders_count_as_planned_at_8(tmp_path, training):
    sweep(tmp_path, text(12, dropout="[0.0, 0.3]"))
    folder = tmp_path / "small"
    forget_first_plan(folder)
    assert read_plan(folder).first_plan is None
    found = compare_folder(folder).found
    assert [(look.n, look.planned) for look in found.looks] == [(8, True), (12, False)]
    assert (found.departures, found.first_plan) == ((), replace(OLD, family=1))
    assert compare_folder(folder, margin=0.1).found.departures == (
        "the margin was to be 0.5, not 0.1",
    )
    # a file that asks for less does not make what is left sharper
    plan, said = sweep(tmp_path, text(16, FEWER, "margin: 0.2"))
    # its seeds are those that were asked for last, and what was added
    assert plan == replace(OLD, family=4, seeds=tuple(range(16)))
    assert said == [
        "this comparison was first planned at 8 seeds, so its verdicts are made at 8, 12 and 16 "
        "seeds"
    ]
    found = compare_folder(folder).found
    assert found.departures == ("the margin was to be 0.5, not 0.2",)
    assert set(found.primary["family_size"]) == {4}


def test_a_folder_whose_plan_is_lost_says_so(tmp_path, training):
    sweep(tmp_path, text(16))
    folder = tmp_path / "small"
    (folder / "plan.parquet").write_bytes(b"damaged")
    assert [finding.path for finding in verify_results(folder).findings] == ["plan.parquet"]
    assert read_plan(folder).first_plan == FirstPlan(lost=True)
    plan, said = sweep(tmp_path, text(24))
    lost = FirstPlan(8, family=2, seeds=tuple(range(24)), lost=True)
    assert (plan, said) == (lost, [])
    assert describe_first_plan(plan, plan) == [
        "what was planned first was in a plan.parquet that was damaged: no verdict of this "
        "comparison counts as planned any more"
    ]
    (folder / "plan.parquet").unlink()
    (folder / "sweep.yaml").unlink()
    assert sweep(tmp_path, text(24))[0] == lost


def test_a_first_plan_that_cannot_be_one_is_damage(tmp_path, training):
    sweep(tmp_path, text(8))
    path = tmp_path / "small" / "plan.parquet"
    rows, facts = read_table(path), read_facts(path)
    write_table(rows, path, facts | {"looks": '{"first": 0}'})
    with pytest.raises(DamagedError, match="what it says of its sweep is not readable"):
        read_plan(path.parent)


# Carried along


def test_it_goes_through_compacting_verifying_and_repeats(tmp_path, training):
    sweep(tmp_path, text(8))
    folder = tmp_path / "small"
    (folder / "runs.parquet").write_bytes(b"damaged")
    assert verify_results(folder).findings
    assert read_plan(folder).first_plan == planned()
    # nothing is left of the results, so that they may be planned anew
    assert sweep(tmp_path, text(12))[0] == planned(12, seeds=range(12))
    assert sweep(tmp_path, text(16), repeat=1)[0] == planned(12, seeds=range(16))
    assert read_plan(folder / "repeats").first_plan == planned(12, seeds=range(16))


def test_shards_share_it_and_a_merge_keeps_it(tmp_path, training):
    halves = [Shard(number, 2) for number in (1, 2)]
    home = tmp_path / "small"
    # then of a file that asks for more seeds: shards know of the folder beside them
    for seeds, looks in ((8, [8]), (16, [8, 12, 16])):
        for shard in halves:
            asked = parse_sweep(text(seeds))
            folder = run_sweep(asked, tmp_path, workers=0, shard=shard).folder
            assert read_plan(folder).first_plan == planned(seeds=range(seeds))
        merge_results(sorted((home / "shards").iterdir()), home)
        assert read_plan(home).first_plan == planned(seeds=range(seeds))
        assert looks_of(tmp_path) == looks
    # one that has not trained before either
    third = run_sweep(parse_sweep(text(24)), tmp_path, workers=0, shard=Shard(3, 3)).folder
    assert read_plan(third).first_plan == planned(seeds=range(24))


def stored(folder, runs: list[Run], first_plan: FirstPlan | None):
    """A results folder with some of six runs."""
    store = Store(folder)
    store.commit([record(run) for run in runs])
    store.compact(SIX, text(6), first_plan=first_plan)
    return folder


@pytest.mark.parametrize(
    ("plans", "joined"),
    [
        ((planned(12, family=3), planned(8, family=2)), planned(8, family=3)),
        ((planned(8, 64), planned(8, 32)), planned(8, 32)),
        ((planned(16), None), planned(8)),
        ((None, None), None),
    ],
)
def test_of_results_that_are_merged_the_smallest_plan_and_the_largest_family_win(
    tmp_path, plans, joined
):
    folders = [
        stored(tmp_path / str(number), SIX[3 * number :][:3], plan)
        for number, plan in enumerate(plans)
    ]
    merge_results(folders, tmp_path / "forward")
    merge_results(folders[::-1], tmp_path / "backward")
    for folder in folders:  # one after the other
        merge_results([folder], tmp_path / "stepwise")
    for name in ("forward", "backward", "stepwise"):
        assert read_plan(tmp_path / name).first_plan == joined
        assert len(read_runs(tmp_path / name)) == 6
