"""What a sweep file can name: schedulers, models, datasets, optimizers, each with its settings.

Importing it fills the registries.
"""

from lrdecay.components import datasets as datasets
from lrdecay.components import models as models
from lrdecay.components import optimizers as optimizers
from lrdecay.components import schedulers as schedulers
from lrdecay.components.plugins import load_plugins as load_plugins
from lrdecay.components.registry import REGISTRIES as REGISTRIES
