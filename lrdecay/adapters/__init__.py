"""Trainers of other packages that train a trial: each needs the extra of its name."""

__all__: list[str] = []  # what is not installed cannot be offered: import the module of its name
