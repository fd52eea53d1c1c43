"""A running training's figures -> DVCLive's files and TensorBoard's events."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import tensorflow as tf
from dvclive import Live

from rhymes.common.files import save_text
from rhymes.metrics.scoring import HEADLINE


class TrainingReport:
    """Writes what `Training.run` reports; use it in a `with` block.

    Args:
        folder: DVCLive's: metrics.json (the last figures) and plots/metrics/ (a file a figure).
            A DVC output, so nothing in it tells time. The curves that dvc.yaml plots are all
            there at the end: one that this training has not is a header alone.
        events: TensorBoard's event files, which do.
    """

    def __init__(self, folder: Path, events: Path) -> None:
        # DVC owns dvc.yaml, and runs the experiment: DVCLive has to leave both alone.
        self._live = Live(
            str(folder), dvcyaml=None, save_dvc_exp=False, report=None, monitor_system=False
        )
        shutil.rmtree(events, ignore_errors=True)
        self._folder = folder
        self._events = tf.summary.create_file_writer(str(events))

    def __call__(self, step: int, metrics: Mapping[str, float]) -> None:
        """Log the figures of one step."""
        self._live.step = step
        with self._events.as_default(step=step):
            for name, value in metrics.items():
                self._live.log_metric(name, value)
                tf.summary.scalar(name, value)
        self._live.make_summary()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._events.close()
        if error is None:
            self._live.end()
            for name in HEADLINE:  # DVC's plots would warn of a file that is missing
                curve = self._folder / "plots/metrics/val" / f"{name}.tsv"
                if not curve.exists():
                    save_text(curve, f"step\t{name}\n")
