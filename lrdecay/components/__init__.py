"""What a sweep file can name: schedulers, models, datasets, optimizers, each with its settings.

Importing it fills the registries.
"""

from lrdecay.components import datasets, models, optimizers, schedulers
from lrdecay.components.plugins import load_plugins
from lrdecay.components.registry import REGISTRIES

__all__ = ["REGISTRIES", "datasets", "load_plugins", "models", "optimizers", "schedulers"]
