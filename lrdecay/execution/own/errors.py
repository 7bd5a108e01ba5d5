"""What ends a loop of the user's own before its end."""


class TrialError(RuntimeError):
    """What the loop did to its trial cannot be right: the run fails with this, and is not tried
    again at once."""


class Diverged(Exception):  # noqa: N818 - it is an outcome, and no error of anybody
    """Ends a loop whose loss is not finite: let it pass."""
