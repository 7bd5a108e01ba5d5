"""Datasets: where they come from, and what they are to a run."""

from lrdecay.components.datasets.dataset import Dataset as Dataset
from lrdecay.components.datasets.sources import load_dataset as load_dataset
from lrdecay.components.datasets.spec import DatasetSpec as DatasetSpec
