"""MLflow's scoring server. Run as a program it saves the pipeline in MLflow's form, with its signature:

python mlflow_scoring.py FOLDER
mlflow models serve -m FOLDER --workers 2 --env-manager local --port PORT
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import joblib
import mlflow
import pandas as pd


def main(folder: str) -> None:
    file = Path(os.environ["PIPELINE"])
    pipeline = joblib.load(file)
    rows = pd.DataFrame(json.loads(file.with_name("rows.json").read_text())["rows"]).drop(columns="flight_id")
    mlflow.sklearn.save_model(
        pipeline,
        folder,
        signature=mlflow.models.infer_signature(rows, pipeline.predict_proba(rows)),
        pyfunc_predict_fn="predict_proba",
        serialization_format="cloudpickle",
        pip_requirements=["mlflow", "scikit-learn"],
    )


if __name__ == "__main__":
    main(sys.argv[1])
