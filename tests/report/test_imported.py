"""Imported results: how they are paired, what they decide, and what is said of them.

The public tables give the numbers of the design under the rule that holds now: verdicts at looks,
where the design had sequences. Those at a number of seeds fixed beforehand are as they were.
"""

import numpy as np
import pandas as pd
import pytest
from helpers.imports import make_table, primary, read_case, take
from scipy import stats

from lrdecay import analysis
from lrdecay.analysis.headline import write_answer
from lrdecay.analysis.identical_runs import describe_identical_runs
from lrdecay.core.errors import InputError
from lrdecay.report.compare import compare_folder
from lrdecay.report.conclusions import write_question
from lrdecay.report.frame_import import from_frame
from lrdecay.report.tables import tabulate_cells
from lrdecay.store.reader import read_runs

NAMED = {"first": 1.0, "second": 1.5}
PROBLEMS = ("resnet20-cifar10", "resnet56-cifar100", "mobilenetv2-fmnist")


@pytest.fixture(scope="module")
def leaderboard():
    metric = {f"test_accuracy[{problem}]": problem for problem in PROBLEMS}
    table = read_case("mls_bench_dl_lr_schedule")
    return from_frame(table, scheduler="scheduler", seed="seed", metric=metric)


@pytest.fixture(scope="module")
def optimizers():
    return from_frame(
        read_case("crowded_valley_quadratic_deep"),
        scheduler="optimizer",
        seed="random_seed",
        metric="test_loss",
        same_start="first_minibatch_loss",
        unit="own",
    )


def digested(table, **digests):
    names = {f"{name}_digest": name for name in digests}
    return take(table.assign(**digests), digests=names)


SEEDS = [f"w{seed}" for seed in range(9)] * 2


@pytest.mark.parametrize(
    ("columns", "options", "pairing", "words"),
    [
        (
            {"init": SEEDS, "order": SEEDS},
            {"digests": {"init_digest": "init", "order_digest": "order"}},
            "verified",
            "at 8 seeds)",
        ),
        (
            {"init": SEEDS},
            {"digests": {"init_digest": "init"}},
            "start verified",
            "at 8 seeds; 9 pairs of one start, data order not recorded)",
        ),
        (
            {"first": [float(len(each) + seed) for seed, each in enumerate(SEEDS[:9])] * 2},
            {"same_start": "first"},
            "start verified",
            "at 8 seeds; 9 pairs of one start, data order not recorded)",
        ),
        # what is equal at all seeds shows nothing
        ({"first": 0.5}, {"same_start": "first"}, "by seed", "9 pairs by seed, not verified)"),
        ({}, {}, "by seed", "at 8 seeds; 9 pairs by seed, not verified)"),
        # of one seed nothing is known
        (
            {"init": [None, *SEEDS[1:]]},
            {"digests": {"init_digest": "init"}},
            "by seed",
            "9 pairs by seed, not verified)",
        ),
    ],
)
def test_pairs_are_as_far_verified_as_is_recorded(columns, options, pairing, words):
    row = primary(take(make_table().assign(**columns), **options).compare())
    assert row["pairing"] == pairing
    assert words in row["sentence"]
    assert row["verdict"] == "higher"


@pytest.mark.parametrize("kind", ["init", "order"])
def test_a_digest_that_differs_makes_no_pairs(kind):
    other = [*SEEDS[:-1], "another"]
    row = primary(digested(make_table(), **{kind: other}).compare())
    assert row["verdict"] == "not evaluated"
    what = {"init": "initial weights", "order": "data orders"}[kind]
    assert f"the {what} differ at 1 seed: these are no pairs" in row["sentence"]


def test_a_start_that_differs_makes_no_pairs():
    table = make_table().assign(first=[*range(9), *range(8), 77])
    row = primary(take(table, same_start="first").compare())
    assert row["verdict"] == "not evaluated"


def test_of_lrdecays_own_runs_a_missing_digest_still_counts_as_different():
    got = take(make_table())
    own = got.runs.dropna(axis=1, how="all").assign(engine="reference")
    row = primary(analysis.compare(own))
    assert row["verdict"] == "not evaluated"
    assert "the initial weights are not recorded at 9 seeds: whether " in row["sentence"]
    assert "differ" not in row["sentence"]


SEEDS_AT = [(0.0, range(3)), (0.3, range(50, 53))]


def apart(table, by=100):
    """The seeds of b are others than those of a."""
    return table.assign(seed=table["seed"] + by * (table["label"] == "b"))


def find_welch(a, b, level):
    """Welch's interval and p-value by scipy's statistic, with the smaller side's degrees of
    freedom."""
    freedom = min(len(a), len(b)) - 1
    t = stats.ttest_ind(a, b, equal_var=False).statistic
    mean = a.mean() - b.mean()
    radius = stats.t.isf(level / 2, freedom) * mean / t
    return mean - radius, mean + radius, 2 * stats.t.sf(abs(t), freedom)


@pytest.mark.parametrize("counts", [(9, 9), (9, 4), (3, 9)])
def test_without_a_common_seed_the_interval_is_welchs(counts):
    table = apart(make_table())
    a, b = (
        table[table["label"] == label].head(count)
        for label, count in zip("ab", counts, strict=True)
    )
    row = primary(take(pd.concat([a, b])).compare(margin=0.1))
    low, high, p = find_welch(b["acc"], a["acc"], 0.05)
    np.testing.assert_allclose([row["low"], row["high"], row["p"]], [low, high, p])
    assert row["mean"] == pytest.approx(b["acc"].mean() - a["acc"].mean())
    assert (row["pairing"], row["n_a"], row["n_b"]) == ("not paired", counts[1], counts[0])
    words = f"{counts[1]} and {counts[0]} runs, not paired; for a number of seeds fixed beforehand"
    assert f"{words})" in row["sentence"]
    # nothing was corrected for skewness, so nothing is said of it
    assert row["skew_holds"] is pd.NA
    assert "skew" not in row["sentence"]


def test_samples_of_different_datasets_are_not_compared():
    table = apart(make_table(data="cifar10"))
    digests = {"dataset_digest": "data"}
    assert primary(take(table, digests=digests).compare())["verdict"] == "higher"
    table.loc[3, "data"] = None  # what is not known is not different
    assert primary(take(table, digests=digests).compare())["verdict"] == "higher"
    table.loc[table["label"] == "b", "data"] = "fmnist"
    row = primary(take(table, digests=digests).compare())
    assert (row["verdict"], row["n_unlike_dataset_digest"]) == ("not evaluated", 18)
    assert "the datasets differ between the runs" in row["sentence"]
    assert np.isnan(row["mean"])


def test_of_two_runs_a_side_nothing_is_said():
    row = primary(take(apart(make_table(2))).compare())
    assert row["verdict"] == "not evaluated"
    assert "2 seeds are there, and verdicts begin at 3" in row["sentence"]


def test_samples_that_do_not_vary_have_no_interval():
    table = apart(make_table(5))
    table["acc"] = np.where(table["label"] == "a", 90.0, 91.0)
    rounded = table.assign(acc=table["acc"] + np.where(table["seed"] % 2, 2e-14, 0.0))
    assert rounded.groupby("label")["acc"].nunique().tolist() == [2, 2]
    for each in (table, rounded):
        row = primary(take(each).compare())
        assert (row["verdict"], row["low"], row["high"]) == ("unresolved", -np.inf, np.inf)
        assert row["more_seeds"] == np.inf


def test_small_means_are_shown_in_digits_and_not_in_decimals():
    table = make_table().assign(acc=lambda t: t["acc"] * 1e-9)
    found = take(table, metric={"test_mse": "acc"}, higher_is_better=False).conclude()
    lines = tabulate_cells(found.blocks.runs, found.metric, False, found).lines
    for line, (label, own) in zip(lines, table.groupby("label")["acc"], strict=True):
        assert [cell.text for cell in line.cells[:3]] == [
            label,
            f"{own.mean():.3e}",
            f"{own.std():.1e}",
        ]


def test_a_family_of_samples_shares_the_error():
    table = pd.concat([apart(make_table(8)), apart(make_table(8), 500).replace("b", "c")])
    table = table.drop_duplicates(["label", "seed"])
    found = take(table).compare().query("family == 'scheduler'")
    assert found["pairing"].tolist() == ["not paired", "not paired"]
    a, b = (table.loc[table["label"] == label, "acc"] for label in "ab")
    low, high, _ = find_welch(b, a, 0.05 / 2)
    assert found.iloc[0][["low", "high"]].tolist() == pytest.approx([low, high])


def test_a_run_that_diverged_spoils_two_samples_too():
    table = apart(make_table()).assign(state="completed")
    table.loc[0, "state"] = "diverged"
    row = primary(take(table, status="state").compare())
    assert row["verdict"] == "not evaluated"
    assert "1 of 18 seeds diverged for a" in row["sentence"]


def test_seeds_of_one_side_are_named_or_left_out_if_asked():
    table = make_table(10)
    table = table[~((table["label"] == "b") & table["seed"].isin([3, 7]))]
    got = take(table)
    row = primary(got.compare())
    assert row["verdict"] == "not evaluated"
    assert "seeds 3, 7 are there for one side only" in row["sentence"]
    row = primary(got.compare(common_seeds=True))
    assert row["verdict"] == "higher"
    assert "8 pairs by seed, not verified; 8 of 10 seeds)" in row["sentence"]


def test_seeds_of_one_dropout_alone_are_not_of_one_side():
    """Both schedulers have seeds 0 to 2 at dropout 0, and 50 to 52 at 0.3."""
    parts = [make_table(3, rate=rate).assign(seed=[*first, *first]) for rate, first in SEEDS_AT]
    found = take(pd.concat(parts), dropout="rate").compare().set_index("family")["sentence"]
    words = "seeds 0, 1, 2, 50, 51, 52 are not there for both schedulers at"
    assert f"since {words} each dropout." in found["average"]
    assert f"since {words} both dropouts." in found["interaction"]


def test_fixed_seeds_have_the_t_interval_of_all_pairs():
    table = make_table(5)
    got = take(table)
    row = primary(got.compare(seeds_fixed=True))
    a, b = (table.loc[table["label"] == label, "acc"].to_numpy() for label in "ab")
    low, high = stats.ttest_1samp(b - a, 0).confidence_interval(0.95)
    assert row[["low", "high"]].tolist() == pytest.approx([low, high])
    assert row["sentence"].count("for a number of seeds fixed beforehand, as was said)") == 1
    row = primary(got.compare())
    assert (row["verdict"], row["look"]) == ("not evaluated", 0)
    assert "5 seeds are there, and verdicts begin at 8" in row["sentence"]
    assert "(were the number of seeds fixed beforehand: " in row["sentence"]
    assert row[["fixed_low", "fixed_high"]].tolist() == pytest.approx([low, high])


def test_fixed_seeds_are_looked_at_once():
    """What the first of them would have said alone does not count."""
    apart = np.array([1.0, 1.02, 0.98, -3.0, 4.0, -2.5])
    table = make_table(6)
    table["acc"] = 50.0 + np.concatenate([np.zeros(6), apart])
    row = primary(take(table).compare(seeds_fixed=True))
    low, high = stats.ttest_1samp(apart, 0).confidence_interval(0.95)
    assert row[["low", "high"]].tolist() == pytest.approx([low, high])
    assert (row["verdict"], row["look"]) == ("unresolved", 6)
    assert stats.ttest_1samp(apart[:3], 0).pvalue < 0.001


def test_a_seed_that_neither_side_has_is_not_missing():
    table = pd.concat([make_table(8), make_table(10).query("label == 'a'").replace("a", "c")])
    found = take(table).compare(reference="a", exploratory=True).set_index(["family", "scheduler"])
    assert found.loc[("scheduler", "b"), "verdict"] == "higher"
    assert "8 pairs by seed" in found.loc[("scheduler", "b"), "sentence"]
    one_sided = found.loc[("scheduler", "c"), "sentence"]
    assert "seeds 8, 9 are there for one side only" in one_sided


def test_no_interval_goes_beyond_what_a_difference_can_be():
    table = make_table(3)
    table["acc"] = [2.0, 50.0, 98.0, 98.0, 3.0, 2.0]
    paired = primary(take(table, unit="percent").compare())
    assert np.isnan(paired["fixed_low"])
    unpaired = primary(take(apart(table), unit="percent").compare())
    assert (unpaired["low"], unpaired["high"]) == (-np.inf, np.inf)


def test_fewer_than_three_seeds_are_too_few_even_if_fixed():
    row = primary(take(make_table(2)).compare(seeds_fixed=True))
    assert row["verdict"] == "not evaluated"
    assert "2 seeds are there, and verdicts begin at 3" in row["sentence"]


def test_the_better_side_is_that_of_the_direction():
    higher = primary(take(make_table(), metric={"test_f1": "acc"}).compare())
    lower = primary(take(make_table(), metric={"test_mse": "acc"}).compare())
    assert higher["sentence"].startswith("b beats a by ")
    assert lower["sentence"].startswith("a beats b by ")
    said = take(make_table(), metric={"test_f1": "acc"}, higher_is_better=False)
    assert primary(said.compare())["sentence"].startswith("a beats b by ")
    # a unit of its own is not printed
    assert " on this test set (" in higher["sentence"]
    assert "points" not in higher["sentence"]


def test_the_leaderboard_resolves_nothing(leaderboard):
    found = leaderboard.compare(seeds_fixed=True).query("family == 'scheduler'")
    assert len(found) == 6
    assert (found["family_size"] == 6).all()
    assert (found["verdict"] == "unresolved").all()
    rows = found.set_index(["dataset", "scheduler"])[["mean", "low", "high"]]
    nearest = rows.loc["mobilenetv2-fmnist", "one_cycle"]
    assert nearest.round(2).tolist() == [-0.70, -2.13, 0.73]
    assert rows.loc["resnet56-cifar100", "one_cycle"].round(2).tolist() == [-1.04, -9.47, 7.40]
    # only without any correction does one of six leave out 0
    table = read_case("mls_bench_dl_lr_schedule").set_index(["scheduler", "seed"])
    alone = {}
    for problem in PROBLEMS:
        for label in ("one_cycle", "warmup_cosine"):
            d = table.loc[label][problem] - table.loc["cosine"][problem]
            alone[problem, label] = stats.ttest_1samp(d, 0).confidence_interval(0.95)
    out = {key: ends for key, ends in alone.items() if ends.low > 0 or ends.high < 0}
    assert list(out) == [("mobilenetv2-fmnist", "one_cycle")]
    assert np.round(next(iter(out.values())), 2).tolist() == [-1.27, -0.14]
    # the design's sequences needed 13 to 245 seeds; a number fixed anew needs other ones
    assert (3 + found["more_seeds"]).tolist() == [43, np.inf, 57, 119, 7, 259]
    # pairing by seed gained nothing
    assert found["correlation"].min().round(2) == -1.00
    assert found["correlation"].max().round(2) == 0.69


def test_three_seeds_are_no_verdict_unless_they_were_fixed(leaderboard):
    found = leaderboard.compare().query("family == 'scheduler'")
    assert (found["verdict"] == "not evaluated").all()
    assert found["sentence"].str.contains("3 seeds are there, and verdicts begin at 8").all()


def test_optimizers_are_paired_by_their_first_loss(optimizers):
    """The design's sequence went from -1.21 to 1.16; the look at 8 of the 9 seeds is narrower."""
    row = primary(optimizers.compare(reference="AMSGrad", margin=1.0))
    assert row["pairing"] == "start verified"
    assert round(row["mean"], 2) == -0.03
    assert (row["n"], row["look"]) == (9, 8)
    table = read_case("crowded_valley_quadratic_deep").pivot(
        index="random_seed", columns="optimizer", values="test_loss"
    )
    first = (table["AMSBound"] - table["AMSGrad"]).sort_index().head(8)
    low, high = stats.ttest_1samp(first, 0).confidence_interval(1 - 0.8 * 0.05)
    assert row[["low", "high"]].tolist() == pytest.approx([low, high])
    assert -1.21 < low < high < 1.16
    # as pairs were: r = 0.99, an sd of 0.82 instead of 6.4 of the runs
    assert round(row["correlation"], 2) == 0.99
    assert round(row["sd"], 2) == 0.82
    assert "9 pairs of one start, data order not recorded" in row["sentence"]
    assert primary(optimizers.compare(reference="AMSGrad", margin=2.0))["verdict"] == "equivalent"


def test_a_saved_import_says_the_same_and_saving_again_changes_nothing(tmp_path):
    got = take(make_table(5))
    folder = got.save(tmp_path / "mine", reference="b", margin=0.5, seeds_fixed=True)
    before = {path: path.read_bytes() for path in folder.rglob("*.parquet")}
    answer = compare_folder(folder)
    asked = {"reference": "b", "margin": 0.5, "seeds_fixed": True}
    assert answer.found.table["sentence"].tolist() == got.compare(**asked)["sentence"].tolist()
    got.save(folder, reference="b", margin=0.5, seeds_fixed=True)
    assert {path: path.read_bytes() for path in folder.rglob("*.parquet")} == before
    with pytest.raises(InputError, match="other results are there; give another folder, or say --"):
        take(make_table(6)).save(folder)
    take(make_table(6)).save(folder, replace=True)
    assert len(read_runs(folder)) == 12


FALSE_OF_AN_IMPORT = (
    "start from the same weights, see the same batches and draw the same dropout masks",
    "same initial weights, batches and dropout masks",
    "fixed beforehand:",
    "With seeds: {min",
    "lrdecay sweep",
    "at the planned",
    "new images",
)


@pytest.mark.parametrize("seeds_fixed", [False, True])
def test_the_report_of_an_import_says_what_it_is(tmp_path, seeds_fixed):
    page = tmp_path / "page.html"
    got = take(make_table(9))
    got.write_report(page, seeds_fixed=seeds_fixed)
    text = page.read_text(encoding="utf-8")
    assert "These runs were not trained by lrdecay" in text
    assert "a data frame (SHA-256 " in text
    assert "18 rows) was imported on " in text
    assert "What is not in it is not claimed here." in text
    assert got.notes[0] in text
    assert "Runs are paired by the number of their seed alone" in text
    assert "The question was put when the results were there already" in text
    for words in FALSE_OF_AN_IMPORT:
        assert words not in text, words


def test_what_a_table_says_is_text_on_the_page(tmp_path):
    odd = "<script>alert(1)</script>"
    table = make_table().replace("b", odd).rename(columns={"acc": f"acc{odd}"})
    got = take(table, metric={"test_accuracy": f"acc{odd}"})
    text = got.write_report(tmp_path / "page.html", reference="a").read_text(encoding="utf-8")
    assert odd not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; beats a by " in text


def test_the_report_of_a_leaderboard_is_of_its_problems(tmp_path, leaderboard):
    page = leaderboard.write_report(tmp_path / "page.html", seeds_fixed=True)
    text = page.read_text(encoding="utf-8")
    for problem in PROBLEMS:
        assert problem in text
    assert "train them where these came from" in text


def test_a_metric_of_its_own_is_saved_and_compared(tmp_path):
    got = take(make_table(), metric={"test_f1": "acc", "val_ppl": "acc"})
    assert got.metrics[["metric", "value"]].iloc[0].tolist() == ["test_f1", make_table()["acc"][0]]
    folder = got.save(tmp_path / "mine", metric="val_ppl")
    sentence = compare_folder(folder).found.table["sentence"].item()
    assert sentence == got.compare("val_ppl")["sentence"].item()
    assert sentence.startswith("a beats b by ")
    text = got.write_report(tmp_path / "page.html", metric="val_ppl").read_text(encoding="utf-8")
    assert "val ppl" in text


def test_runs_whose_dropout_is_not_given_stand_beside_those_of_one(tmp_path):
    """They are no dropout that others are compared with, nor averaged over."""
    table = make_table()
    table = pd.concat(
        [table, table.assign(rate=0.3, acc=table["acc"] - 1), table.assign(rate=0.5)],
        ignore_index=True,
    )
    found = take(table, dropout="rate").conclude()
    whole = found.table
    assert whole.groupby("family", sort=False)["where"].agg(list).to_dict() == {
        "scheduler": ["dropout 0.3", "dropout 0.5", "dropout not given"],
        "average": ["averaged over dropout 0.3, 0.5"],
        "dropout": ["a", "b"],
        "interaction": ["dropout 0.5 against 0.3"],
    }
    assert whole["a"].tolist() == ["b"] * 4 + ["dropout 0.5"] * 2 + ["b"]
    gain = table["acc"][9:18].mean() - table["acc"][:9].mean()
    assert whole["mean"].tolist() == pytest.approx([gain] * 4 + [1.0, 1.0, 0.0])
    assert whole["sentence"][2].startswith("dropout not given: b beats a by ")
    question = "b against a at dropout 0.3, 0.5 and not given, by test accuracy."
    assert write_question(found).startswith(question)
    lost = table.assign(acc=table["acc"].where(table["rate"].notna() | (table["label"] == "a")))
    said = write_answer(take(lost, dropout="rate").conclude())
    assert said.endswith("b is not judged at dropout not given."), said
    page = take(table, dropout="rate").write_report(tmp_path / "report.html")
    assert "dropout not given: b beats a by" in page.read_text()


def test_numbers_that_may_be_rounded_are_not_called_the_same_to_the_bit():
    table = pd.DataFrame(
        {"label": ["a", "b"] * 2, "seed": 0, "loss": 0.31, "rate": [0, 0, 0.3, 0.3]}
    )
    found = take(table, metric={"test_loss": "loss"}, dropout="rate").conclude()
    assert describe_identical_runs(found.blocks) == []
    assert not found.table[["n_same", "n_one_schedule"]].any(axis=None)
    assert "changed nothing" not in " ".join(found.table["sentence"])


def test_imports_are_averaged_over_their_datasets_by_the_labels():
    tables = {name: make_table(acc=make_table()["acc"] / scale) for name, scale in NAMED.items()}
    found = {
        name: take(table, name=name, unit="percent").conclude() for name, table in tables.items()
    }
    averages = analysis.average_datasets(found)
    assert averages.shared.not_averaged == ""
    (row,) = averages.table.to_dict("records")
    gains = [table["acc"][9:].mean() - table["acc"][:9].mean() for table in tables.values()]
    assert (row["scheduler"], row["n_datasets"]) == ("b", 2)
    assert row["mean"] == pytest.approx(sum(gains) / 2)
