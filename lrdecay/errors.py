"""The errors that end a command: it exits 2 on bad input, 1 if nothing can train."""


class InputError(ValueError):
    """Bad input: a sweep file, an option, data that are not there.

    The message says what is wrong, where, and what would be valid.
    """


class WorkerError(RuntimeError):
    """A training process could not start, so that no run can train."""
