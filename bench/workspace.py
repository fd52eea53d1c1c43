"""An empty folder in which stages run as they run in the repository."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rhymes.common.params import load_params

ROOT = Path(__file__).resolve().parent.parent
_TIMEOUT = 1800.0  # seconds


def prepare_workspace(folder: Path, changes: dict[str, dict[str, Any]]) -> None:
    """Write params.yaml, with changes by section, and what else the stages expect."""
    params = load_params(ROOT / "params.yaml")
    for section, values in changes.items():
        params[section] |= values
    # JSON is YAML as well.
    (folder / "params.yaml").write_text(json.dumps(params), encoding="utf-8")
    (folder / ".dvc").mkdir(parents=True)
    (folder / "data").mkdir()
    (folder / "data" / "splits.csv").write_text("group,split\n", encoding="utf-8")


def run_stages(folder: Path, stages: Sequence[str]) -> None:
    """Run stages, one after the other, in a prepared folder."""
    for stage in stages:
        subprocess.run(
            [sys.executable, "-m", f"stages.{stage}"],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL,
            timeout=_TIMEOUT,
            check=True,
        )
