"""What `run_sweep` may be told beside the sweep, as one object or by name."""

import dataclasses

import pytest

import lrdecay
from lrdecay.core.errors import InputError
from lrdecay.execution.local.executor import Local
from lrdecay.runner import Shard, SweepOptions
from lrdecay.runner.options import change_options

TEXT = "dataset: digits\nepochs: 1\nschedulers: {c: {class: constant}}\nseeds: 1\n"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"engine": "fast"}, "engine: must be one of auto, reference, stacked, native, not fast"),
        ({"group_size": 0}, "group_size: must be at least 1, not 0"),
        ({"workers": -1}, "workers: must be at least 0, not -1"),
        ({"workers": 0, "time_limit": 5.0}, "time_limit: with 0 workers nothing can end a run"),
        ({"time_limit": 0.0}, "time_limit: must be more than 0 seconds, not 0"),
        ({"repeat": -1}, "repeat: must be at least 0 seeds, not -1"),
        ({"repeat": 1, "shard": Shard(1, 2)}, "repeat: shards are not repeated"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_once(wrong, words):
    with pytest.raises(InputError, match=words):
        SweepOptions(**wrong)
    with pytest.raises(InputError, match=words):
        change_options(None, wrong)


def test_an_executor_has_its_own_workers_and_limits():
    own = Local("cpu", 3)
    assert SweepOptions(executor=own, workers=-1).find_executor() is own
    here = SweepOptions(device="cpu", workers=2, time_limit=9.0).find_executor()
    assert here == Local("cpu", 2, 9.0)


def test_options_are_one_object_that_names_change():
    options = SweepOptions(results="mine", workers=0)
    assert change_options(options, {}) == options
    assert change_options(options, {"workers": 2}) == SweepOptions(results="mine", workers=2)
    assert change_options("mine", {"workers": 0}) == options
    assert change_options(None, {}) == SweepOptions()
    with pytest.raises(dataclasses.FrozenInstanceError):
        options.workers = 1


def test_a_name_that_is_no_option_is_told_which_there_are(tmp_path):
    with pytest.raises(TypeError, match=r"no such option: worker; there are results, data_dir, .*"):
        lrdecay.run_sweep("no.yaml", results=tmp_path, worker=2)


def test_results_go_where_the_options_say(tmp_path):
    (file := tmp_path / "one.yaml").write_text(TEXT)
    options = lrdecay.SweepOptions(results=tmp_path / "here", workers=0)
    first = lrdecay.run_sweep(file, options)
    assert (first.folder, first.completed) == (tmp_path / "here" / "one", 1)
    assert lrdecay.run_sweep(file, options, repeat=1).repeats.completed == 1
    part = lrdecay.run_sweep(file, options, results=tmp_path / "there", shard=Shard(1, 1))
    assert part.folder == tmp_path / "there" / "one" / "shards" / "1-of-1"
