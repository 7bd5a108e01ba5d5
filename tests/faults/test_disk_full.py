"""A disk on which nothing more fits: the sweep ends with a clear error, and goes on later."""

import errno
import os
import resource
import subprocess
import sys

from helpers.disk import Changes
from helpers.tiny import (
    RUNS_OF_TEXT,
    assert_same,
    in_no_time,
    in_process,
    run_ids,
    sweep_in_process,
    watch_commits,
)

from lrdecay.runner.coordinator import run_sweep
from lrdecay.store.verify import verify_results


def test_each_file_may_be_the_one_that_does_not_fit(trained, tmp_path, often, figure):
    """From each change on nothing can be made any more, only moved and taken away."""
    with in_no_time(trained.records), Changes(tmp_path / "whole") as whole:
        run_sweep(trained.file, tmp_path / "whole", workers=0)
    count = len(whole.names)
    tried = kept = lost = 0
    for at in range(0, count, often(count // 7, 1)):
        results = tmp_path / str(at)
        committed: list[str] = []
        with (
            in_no_time(trained.records) as patch,
            Changes(results, at, full=True) as changes,
        ):
            watch_commits(patch, committed.extend)
            try:
                run_sweep(trained.file, results, workers=0)
            except OSError as error:
                found = (error.errno, str(error.filename).startswith(str(results)))
            else:  # what was left to do was to tidy up
                assert not any(name.startswith(("write", "mkdir")) for name in whole.names[at:])
                found = (errno.ENOSPC, True)
            assert found == (errno.ENOSPC, True)
        assert changes.names[:at] == whole.names[:at]
        there = run_ids(results / "tiny")
        kept += len(committed)
        lost += len(set(committed) - there)
        tried += 1
        with in_no_time(trained.records):
            summary = run_sweep(trained.file, results, workers=0)
        assert (summary.reused, summary.completed) == (len(there), RUNS_OF_TEXT - len(there))
        assert_same(results / "tiny", trained.folder)
        assert verify_results(results / "tiny").findings == ()
    assert kept > 0
    assert lost == 0
    figure("disk full at each change", f"{tried} times, {kept} runs kept, {lost} lost")


def test_a_file_that_outgrows_its_limit(trained, on_the_way, tmp_path, often, figure):
    """Of all files: parts are smaller than batches, and these than tables."""
    paths = [*on_the_way.rglob("*.parquet"), *trained.folder.glob("*.parquet")]
    sizes = sorted({path.stat().st_size for path in paths if path.name == "runs.parquet"})
    stopped, kept, lost = 0, [], 0
    times = often(4, 50)
    for number in range(times):
        results = tmp_path / str(number)
        limit = sizes[0] + (sizes[-1] - sizes[0]) * number // (times - 1) - 1
        ended = in_process(sweep_in_process, trained.file, results, trained.records, None, limit)
        assert ended.itself
        if ended.error is not None:
            assert ended.error.errno == errno.EFBIG
            stopped += 1
        there = run_ids(results / "tiny")
        kept.append(len(ended.committed))
        lost += len(ended.committed - there)
        assert lost == 0
        with in_no_time(trained.records):
            summary = run_sweep(trained.file, results, workers=0)
        assert (summary.reused, summary.completed) == (len(there), RUNS_OF_TEXT - len(there))
        assert_same(results / "tiny", trained.folder)
    assert stopped == times
    assert min(kept) < max(kept)
    figure("files at their limit of size", f"{stopped} times, {sum(kept)} runs kept, {lost} lost")


def test_the_command_says_what_did_not_fit(trained, tmp_path):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    command = [sys.executable, "-m", "lrdecay", "sweep", trained.file, "--results", tmp_path]
    ended = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, preexec_fn=limit, check=False
    )
    assert ended.returncode == 1
    assert ended.stderr == (
        f"lrdecay: {tmp_path}/tiny/plan.parquet: {os.strerror(errno.EFBIG)}; finished runs are in "
        f"{tmp_path}/tiny. To continue: lrdecay sweep {trained.file} --results {tmp_path}\n"
    )
