"""MLServer: its scikit-learn runtime, two inference workers, adaptive batching on.

    python mlserver_model.py PORT

Writes the two settings files into the current folder and becomes `mlserver start .`.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path


def main(port: int) -> None:
    server = {
        "host": "127.0.0.1",
        "http_port": port,
        "grpc_port": port + 1,
        "metrics_port": port + 2,
        "parallel_workers": 2,
        "debug": False,
    }
    model = {
        "name": "late",
        "implementation": "mlserver_sklearn.SKLearnModel",
        "max_batch_size": 64,
        "max_batch_time": 0.005,
        "parameters": {"uri": os.environ["PIPELINE"], "content_type": "pd"},
    }
    Path("settings.json").write_text(json.dumps(server))
    Path("model-settings.json").write_text(json.dumps(model))
    mlserver = Path(sys.executable).with_name("mlserver")
    os.execv(mlserver, [str(mlserver), "start", "."])


if __name__ == "__main__":
    main(int(sys.argv[1]))
