"""What a table means, and one clear error for each mistake."""

import numpy as np
import pandas as pd
import pytest
from helpers.imports import make_table, read_case, take

from lrdecay.core.errors import InputError
from lrdecay.report.frame_import import from_frame
from lrdecay.store.importing.units import describe_metric

TRAPEZOIDAL = {"scheduler": "model", "seed": "seed", "metric": {"val_loss": "val_loss_gpt-124m"}}


def changed(column, row, value):
    table = make_table().astype({column: object})
    table.loc[row, column] = value
    return table


MISUSE = {
    "a column that is not there": (
        make_table(),
        {"scheduler": "lable"},
        "scheduler: no column 'lable' in the table; did you mean 'label'\\? "
        "\\(columns: label, seed, acc\\)",
    ),
    "an axis that is not there": (make_table(), {"axes": ["width"]}, "axis: no column 'width'"),
    "a mean": (
        changed("seed", 3, "mean"),
        {},
        "seed: 'mean' \\(row 4\\) is no seed, a whole number from 0; rows of means are no runs: "
        "leave them out with --drop mean",
    ),
    "half a seed": (changed("seed", 0, 1.5), {}, "seed: '1.5' \\(row 1\\) is no seed"),
    "a seed below 0": (changed("seed", 0, -1), {}, "seed: '-1' \\(row 1\\) is no seed"),
    "no seed": (changed("seed", 2, None), {}, "seed: there is none in 'seed' \\(row 3\\)"),
    "no label": (changed("label", 2, None), {}, "scheduler: there is none in 'label' \\(row 3\\)"),
    "a label of two lines": (
        changed("label", 2, "a\nb"),
        {},
        "scheduler: 'a\\\\nb' \\(row 3\\) is no label: it is text on one line",
    ),
    "a blank label": (
        changed("label", 2, " "),
        {},
        "scheduler: there is none in 'label' \\(row 3\\)",
    ),
    "doubles": (
        pd.concat([make_table(2), make_table(2, at="later")], ignore_index=True),
        {},
        "rows 1, 5 are all of a at seed 0: name the column that tells them apart \\(--axis; these "
        "differ: at\\), or say --duplicates last",
    ),
    "no number": (changed("acc", 6, "n/a"), {}, "metric test_accuracy: 'n/a' \\(row 7\\) is no"),
    "neither share nor percent": (
        changed("acc", 0, 0.5),
        {},
        "metric test_accuracy goes from 0.5 to .*: neither plainly a share nor plainly percent; "
        "give --unit test_accuracy=share, percent or own",
    ),
    "no share": (make_table(), {"unit": "share"}, "\\(row 1\\) is no share, which goes from 0 to"),
    "an unknown unit": (make_table(), {"unit": "miles"}, "must be one of share, percent, nats"),
    "an unknown direction": (
        make_table(),
        {"metric": {"wmt": "acc"}},
        "metric wmt: whether higher is better is not known; give --higher-is-better wmt or "
        "--lower-is-better wmt",
    ),
    "an unknown status": (
        make_table(state="done"),
        {"status": "state"},
        "status: 'done' is none of completed, diverged, failed",
    ),
    "one that still trains": (make_table(state="running"), {"status": "state"}, "'running' is no"),
    "no rows": (make_table(0), {}, "the table has no rows"),
    "no metric": (make_table(), {"metric": {}}, "no metric is given"),
    "of which images": (make_table(), {"metric": {"accuracy": "acc"}}, "test_accuracy=acc or val_"),
    "no name": (make_table(), {"metric": {"F1": "acc"}}, "metric 'F1' is no name"),
    "a dropout of 1": (make_table(), {"dropout": 1.0}, "dropout: 1 is none, which is at least 0"),
    "a dropout of text": (make_table(), {"dropout": "label"}, "dropout: 'a' \\(row 1\\) is no num"),
    "an unknown digest": (
        make_table(),
        {"digests": {"weights": "acc"}},
        "digest: 'weights' is none of init_digest, order_digest, dataset_digest",
    ),
    "some problems": (
        make_table(),
        {"metric": {"test_accuracy[x]": "acc", "test_loss": "acc"}},
        "metric test_loss: others name a problem, as in test_accuracy\\[x\\]; either all do",
    ),
    "a problem without a metric": (
        make_table(),
        {"metric": {"test_loss[x]": "acc", "test_f1[x]": "acc", "test_f1[y]": "acc"}},
        "metric test_loss: no column is given for y",
    ),
    "a dataset already": (
        make_table(dataset="x"),
        {"metric": {"test_accuracy[x]": "acc"}},
        "the table has a column of that name; rename it",
    ),
    "an axis of truths": (
        make_table(batch_norm="maybe"),
        {"axes": ["batch_norm"]},
        "axis batch_norm: 'maybe' is not true or false",
    ),
    "an axis that lacks a value": (
        make_table(dataset=None),
        {"axes": ["dataset"]},
        "axis dataset: nothing is not a value",
    ),
    "two columns of one name": (
        make_table().assign(more=1).rename(columns={"more": "acc"}),
        {},
        "the table has two columns 'acc'",
    ),
    "two words on the start": (
        make_table(x=1.0, y="w"),
        {"same_start": "x", "digests": {"init_digest": "y"}},
        "same start: init_digest is given, which says more; leave one out",
    ),
    "an accuracy of no unit": (
        make_table(),
        {"unit": "own"},
        "metric test_accuracy: an accuracy is a share or percent; give what is none another name",
    ),
    "a drop of no row": (make_table(), {"drop": ["mean"]}, "drop: no row has the seed 'mean'"),
    "a drop of all rows": (make_table(), {"drop": range(9)}, "drop: no row is left"),
    "an axis of lists": (
        make_table(size=[[1]] * 18),
        {"axes": ["size"]},
        "axis size: a list \\(row 1\\) is no text, number or truth",
    ),
    "an axis that is the scheduler": (
        make_table(),
        {"axes": ["label"]},
        "axis: the column 'label' is given as something else already",
    ),
    "an axis that is called as something else is": (
        make_table(scheduler="x"),
        {"axes": ["scheduler"]},
        "axis 'scheduler': lrdecay calls something else so; rename the column",
    ),
    "a unit of another metric": (
        make_table(),
        {"unit": {"tset_accuracy": "percent"}},
        "unit of 'tset_accuracy': no such metric; there are test_accuracy",
    ),
    "a direction of another metric": (
        make_table(),
        {"higher_is_better": {"acc": False}},
        "direction of 'acc': no such metric; there are test_accuracy",
    ),
    **{
        f"a metric that is called {name}": (
            make_table(),
            {"metric": {name: "acc"}, "higher_is_better": True},
            f"metric '{name}' is no name: .* no name of another column",
        )
        for name in ("run_id", "seed", "dropout", "lr", "seconds", "error", "best_epoch")
    },
    "a width of an axis of numbers": (
        make_table(batch_size=1.5),
        {"axes": ["batch_size"]},
        "axis batch_size: 1.5 is not a whole number",
    ),
}


@pytest.mark.parametrize("name", MISUSE)
def test_each_mistake_has_its_error(name):
    table, options, says = MISUSE[name]
    with pytest.raises(InputError, match=says):
        take(table, **options)


def test_an_unknown_reference_or_metric_is_said():
    got = take(make_table())
    with pytest.raises(InputError, match="no run of the reference 'c'; choose one of a, b"):
        got.compare(reference="c")
    with pytest.raises(InputError, match="'test_acuracy' is unknown; did you mean test_accuracy"):
        got.compare("test_acuracy")


@pytest.mark.parametrize(
    ("name", "values", "unit", "scale", "higher"),
    [
        ("test_accuracy", [0.0, 1.0], "points", 1.0, True),
        ("test_accuracy", [1.5, 100.0], "points", 0.01, True),
        ("val_acc", [92.0, 93.0], "points", 0.01, True),
        ("test_loss", [0.1, 3.0], "nats", 1.0, False),
        ("test_f1", [0.1, 0.3], "own", 1.0, True),
        ("train_seconds", [5.0, 9.0], "seconds", 1.0, False),
        # the last known word counts
        ("accuracy_error", [3.0, 200.0], "own", 1.0, False),
        ("loss_r2", [3.0, 200.0], "own", 1.0, True),
        ("wikitext2_ppl", [60.0, 90.0], "own", 1.0, False),
    ],
)
def test_unit_and_direction_are_told_by_name_and_values(name, values, unit, scale, higher):
    found = describe_metric(name, "column", pd.Series(values))
    assert (found.unit, found.scale, found.higher_is_better) == (unit, scale, higher)
    assert bool(found.note) == (scale != 1.0)


@pytest.mark.parametrize(
    "name",
    [
        *("time_to_accuracy", "steps_per_second", "neg_mean_squared_error_mse", "accuracy_drop"),
        *("f1_std", "loss_reduction", "auc_gap", "one_minus_accuracy", "test_score"),
    ],
)
def test_a_name_that_turns_the_meaning_of_its_words_tells_nothing(name):
    with pytest.raises(InputError, match=f"{name}: whether higher is better is not known"):
        describe_metric(name, "column", pd.Series([30.0, 40.0]))
    found = describe_metric(f"{name}_x", "column", pd.Series([30.0, 40.0]), None, False)
    assert (found.unit, found.scale) == ("own", 1.0)


@pytest.mark.parametrize(
    ("name", "higher"), [("brier_score", False), ("fid_score", False), ("f1_score", True)]
)
def test_a_score_is_what_the_other_words_say(name, higher):
    assert describe_metric(name, "x", pd.Series([0.5])).higher_is_better is higher


def test_labels_may_have_any_characters_of_a_line():
    labels = [
        "cosine\N{NO-BREAK SPACE}decay",
        "\N{WOMAN}\N{ZERO WIDTH JOINER}\N{MICROSCOPE}",
        " a ",
    ]
    table = make_table().assign(label=np.repeat(labels, 6), seed=np.tile(range(6), 3))
    assert take(table).runs["scheduler"].drop_duplicates().tolist() == labels


def test_a_row_that_is_left_out_needs_no_label():
    table = changed("label", 3, " ").astype({"seed": object})
    table.loc[3, "seed"] = "mean"
    assert len(take(table, drop=["mean"]).runs) == len(table) - 1


@pytest.mark.parametrize("drop", [3, "3", "3.0"])
def test_a_seed_is_left_out_however_it_is_written(drop):
    got = take(make_table().astype({"seed": float}), drop=[drop])
    assert sorted(set(got.runs["seed"])) == [0, 1, 2, 4, 5, 6, 7, 8]


def test_what_is_said_goes_before_what_is_told():
    found = describe_metric("test_loss", "x", pd.Series([1.0]), "own", higher_is_better=True)
    assert (found.unit, found.higher_is_better) == ("own", True)
    found = describe_metric("test_accuracy", "x", pd.Series([0.5, 93.0]), "percent")
    assert (found.unit, found.scale, found.note) == ("points", 0.01, "")


def test_percent_is_stored_as_a_share_and_noted():
    table = make_table()
    got = take(table)
    np.testing.assert_allclose(got.runs["test_accuracy"], table["acc"] / 100, rtol=1e-15)
    assert len(got.notes) == 1
    assert got.notes[0].startswith("test_accuracy is taken for percent, since it goes from ")


def test_a_run_of_unknown_fate_is_told():
    table = make_table()
    table.loc[4, "acc"] = np.inf
    got = take(table)
    assert "1 row has none of the metrics, and whether they diverged is not known" in got.notes
    (row,) = got.compare().to_dict("records")
    assert row["verdict"] == "not evaluated"
    assert "1 run has no value, and whether it diverged is not known" in row["sentence"]


@pytest.mark.parametrize("said", ["crashed", "KILLED", "failed"])
def test_what_trackers_say_of_an_end_is_known(said):
    table = make_table(state="finished")
    table.loc[4, "state"] = said
    got = take(table, status="state")
    assert got.runs["status"].value_counts().to_dict() == {"completed": 17, "failed": 1}
    assert pd.isna(got.runs["test_accuracy"][4])
    assert "1 of 9 seeds ended with an error" in got.compare()["sentence"].item()


def test_the_same_rows_are_the_same_runs_and_others_are_not():
    ids = take(make_table()).runs["run_id"]
    assert ids.is_unique
    assert ids.equals(take(make_table()).runs["run_id"])
    other = make_table()
    other.loc[0, "acc"] += 1e-9
    assert not set(ids) & set(take(other).runs["run_id"])


def test_further_columns_are_axes():
    table = pd.concat([make_table(lr=0.1, width=8), make_table(lr=0.2, width=16)])
    got = take(table, axes=["lr", "width"])
    found = got.compare().query("family == 'scheduler'")
    assert found["lr"].tolist() == [0.1, 0.2]
    assert (found["family_size"] == 2).all()


def test_curves_become_epochs():
    curves = pd.DataFrame(
        {"label": ["a", "b"], "seed": [0, 1], "epoch": [1, 2], "split": "val", "loss": [0.5, 0.25]}
    )
    got = take(make_table(), epochs=curves)
    of = dict(zip(got.runs["run_id"], got.runs["scheduler"], strict=True))
    assert [of[run] for run in got.epochs["run_id"]] == ["a", "b"]
    assert got.epochs[["epoch", "loss", "seed"]].to_numpy().tolist() == [[1, 0.5, 0], [2, 0.25, 1]]
    with pytest.raises(InputError, match="row 1 is of no run of the table"):
        take(make_table(), epochs=curves.assign(seed=77))
    with pytest.raises(InputError, match=r"split must be one of train, .*, not 'dev'"):
        take(make_table(), epochs=curves.assign(split="dev"))
    with pytest.raises(InputError, match=r"epoch 1\.5 \(row 1\) is no whole number from 1"):
        take(make_table(), epochs=curves.assign(epoch=[1.5, 2.0]))
    with pytest.raises(InputError, match="no column 'epoch'; it needs label, seed, epoch, split"):
        take(make_table(), epochs=curves.drop(columns="epoch"))
    with pytest.raises(InputError, match="accuracy is a share from 0 to 1; divide percent by 100"):
        take(make_table(), epochs=curves.assign(accuracy=93.0))


def test_curves_are_of_a_cell_with_all_of_its_axes():
    table = pd.concat([make_table(width=8), make_table(width=16)], ignore_index=True)
    curves = pd.DataFrame(
        {"label": "a", "seed": 0, "width": [16, 8], "epoch": 1, "split": "val", "loss": [0.1, 0.2]}
    )
    got = take(table, axes=["width"], epochs=curves)
    of = got.runs.set_index("run_id")["trainer_args"]
    assert of.loc[got.epochs["run_id"]].tolist() == ['{"width": 16}', '{"width": 8}']
    assert got.epochs["loss"].tolist() == [0.1, 0.2]


def test_rows_of_means_are_refused_and_left_out_if_asked():
    table = read_case("mls_bench_dl_lr_schedule_as_published")
    metric = {"test_accuracy": "test_acc_resnet20-cifar10"}
    with pytest.raises(InputError, match=r"seed: 'mean' \(row 4\) .* --drop mean"):
        from_frame(table, scheduler="model", seed="seed", metric=metric)
    got = from_frame(table, scheduler="model", seed="seed", metric=metric, drop=["mean"])
    assert len(got.runs) == 9
    assert got.notes[0] == "3 rows whose seed is mean left out, as asked"


def test_doubles_are_refused_or_the_last_of_each_is_taken():
    table = read_case("mls_bench_llm_pretrain_lr_schedule")
    with pytest.raises(InputError) as error:
        from_frame(table, **TRAPEZOIDAL, drop=["mean"])
    assert str(error.value).startswith(
        "rows 2, 3, 4 are all of baseline:trapezoidal at seed 42: name the column that tells them "
        "apart (--axis; these differ: timestamp, wikitext2_ppl_gpt-124m, lambada_ppl_gpt-124m)"
    )
    got = from_frame(table, **TRAPEZOIDAL, drop=["mean"], duplicates="last")
    assert got.notes[1] == (
        "of 9 rows that share a cell and seed the last of each was taken, as asked"
    )
    found = got.compare().query("family == 'scheduler'").set_index("scheduler")
    assert (found["verdict"] == "not evaluated").all()
    assert found["sentence"].str.contains("seeds 123, 456 are there for one side only").all()
    unknown = "1 run has no value, and whether it diverged is not known"
    assert found["sentence"].str.contains(unknown).to_dict() == {
        "baseline:wsd": True,
        "baseline:wsd_sqrt": False,
    }


def test_a_table_without_seeds_is_refused():
    with pytest.raises(InputError, match="seed: no column 'seed' in the table"):
        from_frame(
            read_case("algoperf_time_to_targets"),
            scheduler="submission",
            seed="seed",
            metric={"seconds": "wmt"},
        )
