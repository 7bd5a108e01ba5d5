"""What a sweep recorded, for other programs: from its tables, after the sweep.

    csv          runs.csv and epochs.csv
    tensorboard  a folder of events for each run (needs lrdecay[tensorboard])
    mlflow       mlflow.db, a store in sqlite (needs lrdecay[mlflow])

Each format is a module here with `write(tables, folder)`, which fills an empty folder.
"""

from lrdecay.export.exporting import FORMATS, Tables, export

__all__ = ["FORMATS", "Tables", "export"]
