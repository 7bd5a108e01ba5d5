"""What a user should know of a sweep's data before anything trains."""

from lrdecay.analysis.class_balance import describe_imbalance
from lrdecay.components.datasets.dataset import Dataset
from lrdecay.core.data_facts import DataFacts, describe_classes


def describe_data(dataset: Dataset, facts: DataFacts) -> list[str]:
    """Return the classes of a folder of images with their counts, and how it was read."""
    if not dataset.class_names:
        return list(facts.notes)
    return [f"{dataset.name}: {text}" for text in (describe_classes(facts), *facts.notes)]


def lint_data(dataset: Dataset, facts: DataFacts, metric: str) -> list[str]:
    """Return what is probably wrong with the data, and with comparing them by a metric."""
    uneven = describe_imbalance(facts, metric)
    return [*dataset.warnings, *(f"{dataset.name}: {text}" for text in uneven)]
