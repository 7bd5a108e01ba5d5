"""Datasets: where they come from, and what they are to a run."""

from lrdecay.components.datasets.dataset import Dataset
from lrdecay.components.datasets.sources import load_dataset
from lrdecay.components.datasets.spec import DatasetSpec

__all__ = ["Dataset", "DatasetSpec", "load_dataset"]
