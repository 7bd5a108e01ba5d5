"""What a sweep recorded, for other programs: from its tables, after the sweep.

    csv          runs.csv, epochs.csv and, if there are any, metrics.csv
    tensorboard  a folder of events for each run (extra `tensorboard`)
    mlflow       mlflow.db, a store in sqlite (extra `mlflow`)

Each format is a module here; its function fills an empty folder and says how far it is.
"""

from lrdecay.store.export.base import OnProgress, Tables
from lrdecay.store.export.export import FORMATS, export_results

__all__ = ["FORMATS", "OnProgress", "Tables", "export_results"]
