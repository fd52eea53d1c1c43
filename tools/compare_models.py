"""Train each architecture by DVC's queue in a fresh clone, and serve each.

    python -m tools.compare_models                          200 steps each, on the drawn sample
    python -m tools.compare_models --set train.steps=20     other changes of params.yaml

The clone is of the last commit and shares no cache. `dvc exp run --queue` and `dvc queue start`
train; `dvc exp show` has to list each model with its metrics; each is applied and served, and the
page has to show what it finds in a test image. Exit status 1 where anything is missing; the clone
stays then.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest
from tqdm import tqdm

from rhymes.client.client import DetectorClient
from rhymes.coco.files import load_coco
from rhymes.common.addresses import LOOPBACK, free_ports
from rhymes.common.errors import InputError
from rhymes.common.markdown import rows_to_table
from rhymes.detector import architectures
from rhymes.metrics.catalogue import metrics
from rhymes.project.processes import Child, ChildError, is_serving, server_command
from rhymes.versions.model_folder import load_identity
from tools.clones import ROOT, SURROUNDINGS, Clone, set_params
from tools.reproduce import texts_to_changes

MODELS = architectures.list_names()
DETECTOR, TEST, IMAGES = "models/detector", "data/coco/test.json", "data/images"

_DEFAULTS = {"train.steps": "200"}
_QUEUE_SECONDS = 4 * 3600.0
# Each look costs a second of a core, so the pauses between them grow.
_FIRST_PAUSE, _MAX_PAUSE = 1.0, 15.0
_START_SECONDS = 180.0
# Streamlit's logger that warns of every run of a page outside its server.
_BARE_RUNS = "streamlit.runtime.scriptrunner_utils.script_run_context"
# A row of `dvc queue status` ends in the task's state.
_STATE = re.compile(r"\b(Queued|Running|Success|Failed)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Experiment:
    """An experiment as `dvc exp show` lists it.

    Attributes:
        name: DVC's.
        metrics: By the file that has them.
    """

    name: str
    metrics: Mapping[str, Any]

    def headline(self) -> dict[str, float]:
        """All its metrics by short names, such as "test.AP50"."""
        return {
            f"{split}.{name}": value
            for figures in self.metrics.values()
            for split, values in figures.items()
            for name, value in values.items()
        }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line says; return the exit status."""
    parser = argparse.ArgumentParser(
        "python -m tools.compare_models", description=__doc__.split("\n")[0]
    )
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="KEY=VALUE", help="changes of params.yaml"
    )
    logging.getLogger(_BARE_RUNS).disabled = True
    folder = Path(tempfile.mkdtemp(prefix="rhymes-models-"))
    try:
        changes = _DEFAULTS | texts_to_changes(parser.parse_args(arguments).set)
        _compare(folder, changes)
    except (InputError, ChildError) as error:
        print(f"compare_models: {error}\nThe clone is in {folder}", file=sys.stderr)
        return 1
    shutil.rmtree(folder)
    return 0


def _compare(folder: Path, changes: Mapping[str, str]) -> None:
    clone = Clone(ROOT, folder, SURROUNDINGS[0])
    set_params(clone.path, changes, ROOT)
    start = time.monotonic()
    queue_models(clone, MODELS)
    print(f"The queue took {(time.monotonic() - start) / 60:.1f} minutes.")
    experiments = load_experiments(clone)
    if missing := set(MODELS) - experiments.keys():
        raise InputError(f"dvc exp show does not list {', '.join(sorted(missing))}")
    columns = [
        f"{split}.{metric.key}" for split in ("test", "val") for metric in metrics(is_headline=True)
    ]
    rows = []
    for model in MODELS:
        seen = apply_and_serve(clone, experiments[model].name)
        figures = experiments[model].headline()
        shown = [f"{figures[name]:.3f}" if name in figures else "" for name in columns]
        rows.append((model, *shown, seen))
    print(f"\n{rows_to_table(('model', *columns, 'the page shows'), rows)}")


def queue_models(clone: Clone, models: Sequence[str]) -> None:
    """Queue an experiment a model, start the queue, wait for its end.

    Args:
        clone: where.
        models: values of train.model.

    Raises:
        InputError: a task failed, or the queue did not end in time.
    """
    # Of the whole pipeline: DVC cannot apply an experiment that lacks a stage's outputs.
    print(clone.run(["dvc", "exp", "run", "--queue", "-S", f"train.model={','.join(models)}"]))
    # More than one job at a time loses tasks without a word (DVC's issue 10673).
    clone.run(["dvc", "queue", "start", "-j", "1"])
    try:
        _wait_for_queue(clone, len(models))
    finally:
        clone.run(["dvc", "queue", "stop", "--kill"])


def _wait_for_queue(clone: Clone, count: int) -> None:
    deadline = time.monotonic() + _QUEUE_SECONDS
    pause = _FIRST_PAUSE
    with tqdm(total=count, desc="queue", unit="experiment") as bar:
        while True:
            status = clone.run(["dvc", "queue", "status"])
            states = _STATE.findall(status)
            if "Failed" in states:
                raise InputError(f"an experiment failed:\n{status}\n{_task_logs(clone)}")
            bar.update(states.count("Success") - bar.n)
            if states.count("Success") == count:
                return
            if time.monotonic() > deadline:
                raise InputError(f"the queue did not end in {_QUEUE_SECONDS:g} s:\n{status}")
            time.sleep(pause)
            pause = min(2 * pause, _MAX_PAUSE)


def _task_logs(clone: Clone) -> str:
    """The end of what each task printed."""
    logs = sorted((clone.path / ".dvc/tmp/exps").rglob("*.out"))
    return "\n".join(f"{path}:\n{path.read_text(errors='replace')[-3000:]}" for path in logs)


def load_experiments(clone: Clone) -> dict[str, Experiment]:
    """Read `dvc exp show`: the experiments that are finished, by their train.model."""
    shown = json.loads(clone.run(["dvc", "exp", "show", "--json"]))
    found = {}
    for baseline in shown:
        for experiment in baseline.get("experiments") or ():
            revision = experiment["revs"][0]
            data = revision["data"]
            params = data["params"]["params.yaml"]["data"]
            # What the gate says is no figure to compare models by.
            metrics = {
                path: each.get("data")
                for path, each in data["metrics"].items()
                if path.endswith("/headline.json")
            }
            if metrics and all(metrics.values()):
                found[params["train"]["model"]] = Experiment(experiment["name"], metrics)
    return found


def apply_and_serve(clone: Clone, name: str) -> str:
    """Apply an experiment, serve its model, open the page; return what the page says.

    Raises:
        InputError: the server has other bytes than the experiment, or the page shows an error.
        ChildError: the server did not start.
    """
    clone.run(["dvc", "exp", "apply", name])
    return serve_and_show(clone.path)


def serve_and_show(repository: Path) -> str:
    """As `apply_and_serve`, with what lies in the repository."""
    with serving(repository) as address:
        with DetectorClient(address) as client:
            served = client.describe()
        identity = load_identity(repository / DETECTOR / str(served.version))
        if served.identity != identity:
            raise InputError(f"the server has {served.identity}, not {identity}")
        return show_on_page(repository, address)


@contextlib.contextmanager
def serving(repository: Path) -> Iterator[str]:
    """Serve a repository's models/detector; yield the address."""
    port, rest_port = free_ports(2)
    flags = ["--model_name", "detector", "--model_base_path", str(repository / DETECTOR)]
    address = f"{LOOPBACK}:{port}"
    log = repository / "logs/server.log"
    command = server_command(port, rest_port, flags)
    with Child("the model server", command, log, folder=repository) as server:
        server.wait_until(lambda: is_serving(address), _START_SECONDS)
        yield address


def show_on_page(repository: Path, address: str) -> str:
    """Drop the first test image on the page's view Detect; return the headline it then has.

    The score slider is moved to its lowest: what was trained shortly is sure of nothing.

    Raises:
        InputError: the page shows an error, or no result.
    """
    image = load_coco(repository / TEST)["images"][0]
    data = (repository / IMAGES / image["file_name"]).read_bytes()
    os.environ["SERVING_ADDRESS"] = address
    with contextlib.chdir(repository):
        page = AppTest.from_string("from app.views import detect\ndetect.show()")
        page.default_timeout = _START_SECONDS
        page.run()
        page.file_uploader[0].set_value([("tray.jpg", data, "image/jpeg")])
        page.run()
        if page.slider:
            page.slider[0].set_value(page.slider[0].min).run()
    problems = [each.value for each in (*page.exception, *page.error)]
    if problems or not page.subheader:
        raise InputError(f"the page shows no result: {' '.join(problems)}")
    return str(page.subheader[0].value)


if __name__ == "__main__":
    sys.exit(main())
