"""What shows that runs of a table began alike: digests, or a value that these share."""

from __future__ import annotations

import hashlib

import pandas as pd

from lrdecay.core.errors import InputError
from lrdecay.store.importing.columns import DIGESTS, TOLD, Columns


def read_digests(frame: pd.DataFrame, columns: Columns) -> pd.DataFrame:
    """Return the digests that are recorded; a same-start column gives that of the initial
    weights."""
    found = pd.DataFrame(index=frame.index)
    for name in DIGESTS:
        if name in columns.digests:
            own = frame[columns.digests[name]]
            found[name] = own.astype(str).where(own.notna(), None)
    if columns.same_start is not None:
        if "init_digest" in columns.digests:
            raise InputError("same start: init_digest is given, which says more; leave one out")
        found["init_digest"] = frame[columns.same_start].map(digest_start)
    return found


def digest_start(value: object) -> str | None:
    """Return what stands for a value that runs of one start share, such as the first loss.

    >>> digest_start(266.05), digest_start(None)
    ('told-c1ddc5cc49f3af33', None)
    """
    if value is None or value != value:
        return None
    return f"{TOLD}{hashlib.sha256(repr(value).encode()).hexdigest()[:16]}"
