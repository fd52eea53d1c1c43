"""The server under load while its models change under it: `make soak`, `python -m bench soak`.

16 clients send 5,000 requests, one in ten broken, while versions 2, 3 and 4 are copied into the
model base path, version 1 is removed, and the folder is emptied and filled again as `dvc repro`
does. Then SIGTERM comes while requests are under way. Exits with 1 if a promise is broken.
It serves models/detector.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.ending import Ending, end_in_the_middle
from bench.load import Load, LoadCounts
from bench.publishing import copy_slowly, empty_folder, wait_until_served
from bench.requests import make_broken, make_photo
from bench.server_process import MODEL, running_server
from bench.workspace import ROOT
from rhymes.client.client import Answer, DetectorClient
from rhymes.detector.exported import find_version
from rhymes.versions.model_folder import MANIFEST_FILE

MEMORY_GOAL = 1.2
_WAIT = 1800.0  # seconds for the requests of one step
_POLLS = 3.0  # seconds in which the server looks at the folder a few times
_COPYING = 2.0  # seconds that a version takes to arrive
_CALM = 3.0  # seconds after which what was unloaded is given back


@dataclass(frozen=True)
class Plan:
    """How much to do.

    Attributes:
        requests: at least so many, until all changes of the folder are through.
        settled: after so many the memory is looked at for the first time.
        clients: at once.
        pause: seconds that a client waits between two requests.
    """

    requests: int = 5000
    settled: int = 500
    clients: int = 16
    pause: float = 0.0


@dataclass(frozen=True)
class Summary:
    """What came of it.

    Attributes:
        tally: of the requests.
        before: memory in bytes after `Plan.settled` requests.
        after: memory in bytes at the end.
        ending: what came of SIGTERM.
        seconds: of the load.
    """

    tally: LoadCounts
    before: int
    after: int
    ending: Ending
    seconds: float

    def broken_promises(self) -> list[str]:
        """What did not go as it should have."""
        found = self.tally.problems() + self.ending.problems()
        if self.after > MEMORY_GOAL * self.before:
            found.append(f"memory grew to {self.after / self.before:.2f}x")
        return found


def main() -> None:
    """Serve four versions of one model; print a summary."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        images = [make_photo(640, 480, 120_000, seed) for seed in range(4)]
        summary = soak([find_version(ROOT / "models/detector")] * 4, images, Plan(), folder)
    print("\n".join(summary_to_lines(summary)))
    if problems := summary.broken_promises():
        sys.exit("\n".join(problems))


def summary_to_lines(summary: Summary) -> list[str]:
    """Say it in a few lines."""
    tally, ending = summary.tally, summary.ending
    refused, broken = tally.refused.total(), tally.refused.total() + len(tally.wrong)
    versions = ", ".join(f"{number}: {count:,}" for number, count in sorted(tally.versions.items()))
    return [
        (
            f"soak: {tally.requests:,} requests in {summary.seconds:.0f} s; "
            f"{len(tally.failed)} of {tally.good + len(tally.failed):,} good ones failed (goal 0), "
            f"{refused:,} of {broken:,} broken ones got their own error (goal all)"
        ),
        f"soak: good answers by version: {versions}",
        (
            f"soak: {summary.after / 2**20:,.0f} MiB at the end, "
            f"{summary.before / 2**20:,.0f} MiB after the first requests -> "
            f"{summary.after / summary.before:.2f}x (goal <= {MEMORY_GOAL:g}x)"
        ),
        (
            f"soak: SIGTERM with {ending.under_way} calls under way: of {ending.accepted.total()} "
            f"accepted {ending.accepted['OK']} completed (goal all), the server ended after "
            f"{ending.seconds:.1f} s with status {ending.exit_status} (goal 0)"
        ),
    ]


def soak(models: Sequence[Path], images: Sequence[bytes], plan: Plan, folder: Path) -> Summary:
    """Serve four versions, one after the other, under load.

    Args:
        models: four folders of one detector's versions, which find the same; whether their bytes
            differ is up to the caller.
        images: JPEGs to be looked at.
        plan: how much to do.
        folder: an empty folder to work in.
    """
    base = folder / "models"
    shutil.copytree(models[0], base / "1")
    with (
        running_server(base, folder / "server.log") as server,
        DetectorClient(server.address, model=MODEL, attempts=1) as client,
    ):
        expected = {image: client.detect(image) for image in images}
        load = Load(
            server.address, plan.clients, expected, make_broken(MODEL, images[0]), plan.pause
        )
        start = time.monotonic()
        with load.running():
            load.wait_for(plan.settled, _WAIT)
            before = server.memory()
            change_versions(base, models, lambda: client.answer(images[0]))
            load.wait_for(plan.requests, _WAIT)
        seconds = time.monotonic() - start
        time.sleep(_CALM)
        after = server.memory()
        ending = end_in_the_middle(server, images, plan.clients)
    return Summary(load.tally, before, after, ending, seconds)


def change_versions(base: Path, models: Sequence[Path], ask: Callable[[], Answer]) -> None:
    """Publish versions 2 to 4, remove version 1, empty the folder and fill it again."""
    for version, model in enumerate(models[1:], start=2):
        copy_slowly(model, base / str(version), _COPYING)
        wait_until_served(ask, version)
    shutil.rmtree(base / "1")
    time.sleep(_POLLS)
    last = ask()
    empty_folder(base)
    time.sleep(_POLLS)
    copy_slowly(models[0], base / str(len(models)), _COPYING)
    other = _load_identity(models[0]) != _load_identity(models[-1])
    wait_until_served(ask, len(models), last.identity if other else None)


def _load_identity(model: Path) -> bytes:
    return (model / MANIFEST_FILE).read_bytes()
