"""The one kind of error that is the user's to mend: the command line exits 2 on it."""


class InputError(ValueError):
    """Bad input: a sweep file, an option, data that are not there.

    The message says what is wrong, where, and what would be valid.
    """
