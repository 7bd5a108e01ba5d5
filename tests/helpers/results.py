"""Two results folders, compared."""

import pandas as pd

from lrdecay.store.reader import read_epochs, read_runs

TIMES = ["seconds", "samples_per_second", "group_size", "finished_at", "git_commit"]


def tables(folder) -> tuple[pd.DataFrame, pd.DataFrame]:
    return read_runs(folder).drop(columns=TIMES), read_epochs(folder)


def assert_same(left, right) -> None:
    for one, other in zip(tables(left), tables(right), strict=True):
        pd.testing.assert_frame_equal(one, other, check_exact=True)
