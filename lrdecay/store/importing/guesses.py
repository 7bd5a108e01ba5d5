"""What the columns of a table probably mean, for `lrdecay import --columns` alone."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pandas as pd

from lrdecay.core.text import join_some
from lrdecay.store.importing.status import STATUS
from lrdecay.store.importing.units import is_known_metric

_SCHEDULER = re.compile(r"sched|optimi[sz]er|method|model|strategy|label|name")
_AXES = re.compile(r"^(dataset|task|problem|lr|learning_rate|batch_size|width|depth|model)$")
_PROBLEM = re.compile(r"((?:test_|val_)?(?:acc|accuracy|loss))_(?!mean|std|sd|top)(.+)")
_SHOWN = 3


def guess_options(table: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each column: `column`, the first `values`, how many there are as `distinct`,
    and which option of `lrdecay import` it could be given to as `guess`."""
    rows = []
    taken: set[str] = set()
    for name in table:
        values = table[name].dropna().drop_duplicates()
        guess = _guess(str(name), values, taken)
        taken.add(guess.split(" ")[0])
        shown = join_some(values.head(_SHOWN + 1).tolist(), _SHOWN) if len(values) else ""
        rows.append((str(name), shown.split(" and ")[0], len(values), guess))
    return pd.DataFrame(rows, columns=["column", "values", "distinct", "guess"])


def _guess(name: str, values: pd.Series[Any], taken: set[str]) -> str:
    """Return an option, with the column; nothing where none comes to mind."""
    word, own = name.lower(), shlex.quote(name)
    numeric = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    text = values.astype(str)
    if "seed" in word and "--seed" not in taken:
        odd = [each for each in text if not re.fullmatch(r"\d+(\.0)?", each)]
        return f"--seed {own}" + "".join(f" --drop {shlex.quote(each)}" for each in odd[:2])
    if word in ("state", "status") and len(text) and text.str.lower().isin(STATUS).all():
        return f"--status {own}"
    if "dropout" in word and numeric:
        return f"--dropout {own}"
    if word.endswith("digest"):
        kind = word.rpartition(".")[2]
        return f"--digest {kind}={own}"
    if not numeric:
        is_label = _SCHEDULER.search(word) and "--scheduler" not in taken and len(values) > 1
        if is_label:
            return f"--scheduler {own}"
        return f"--axis {own}" if _AXES.match(word) and len(values) > 1 else ""
    if is_known_metric(name):
        return f"--metric {shlex.quote(f'{_name_metric(word)}={name}')}"
    return f"--axis {own}" if _AXES.match(word) and len(values) > 1 else ""


def _name_metric(word: str) -> str:
    """Return what lrdecay would call a metric: `test_acc_resnet-cifar10` is test_accuracy of the
    problem resnet-cifar10, and a plain accuracy or loss that of a test set."""
    of_problem = _PROBLEM.fullmatch(word)
    metric, problem = of_problem.groups() if of_problem else (word, "")
    metric = re.sub(r"[^a-z0-9]+", "_", metric).strip("_")
    metric = re.sub(r"(^|_)acc$", r"\1accuracy", metric)
    metric = f"test_{metric}" if metric in ("accuracy", "loss") else metric
    return f"{metric}[{problem}]" if problem else metric
