"""A project with an export that changes, taken through the real stages `fetch` and `coco`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from rhymes.common.params import load_params
from rhymes.data_diff.comparison_report import comparison_to_markdown
from rhymes.data_diff.data_comparison import Comparison, compare_versions
from rhymes.data_diff.image_labels import load_labels
from rhymes.versions.data_version import find_data_version
from stages import coco, fetch
from tests.conftest import ROOT
from tests.support.export_csv import write_csv
from tests.support.hostile_server import encode_random_image

Labelled = tuple[str, tuple[float, float, float, float]]
"""A label, and its box as x, y, width, height."""

CLASSES = ("CAT", "DOG", "EMU")


def objects_of(number: int) -> list[Labelled]:
    """Two objects in an image of 32 x 24 pixels: of the classes in turn, and always a cat."""
    return [(CLASSES[number % 3], (1, 2, 10, 10)), ("CAT", (number % 7 + 12, 3, 8, 9))]


@dataclass
class ExportProject:
    """A project's root, in which the stages run; the export is its data/raw.

    Attributes:
        root: An empty folder.
        rows: Image column -> its objects: the export.
        categories: The categories CSV.
    """

    root: Path
    rows: dict[str, list[Labelled]]
    categories: Sequence[str] = CLASSES

    def __post_init__(self) -> None:
        (self.root / ".dvc").mkdir(parents=True)
        (self.root / "data/raw").mkdir(parents=True)
        write_csv(self.root / "data/groups.csv", [("group", "image")])
        self.pin({})

    def add_images(self, *numbers: int) -> None:
        """Add rows whose image is a file `<number>.jpg` in the export."""
        for number in numbers:
            (self.root / f"data/raw/{number}.jpg").write_bytes(encode_random_image(number))
            self.rows[f"{number}.jpg"] = objects_of(number)

    def pin(self, pins: Mapping[str, str]) -> None:
        """Write data/splits.csv."""
        write_csv(self.root / "data/splits.csv", [("group", "split"), *pins.items()])

    def keep_splits(self) -> None:
        """What `make keep-splits` does."""
        shutil.copyfile(self.root / "data/coco/splits.csv", self.root / "data/splits.csv")

    def pins(self) -> str:
        """Read data/splits.csv."""
        return (self.root / "data/splits.csv").read_text(encoding="utf-8")

    def write(self, **fetch_params: Any) -> None:
        """Write the CSV files and params.yaml."""
        raw = self.root / "data/raw"
        cells = [(image, _objects_to_cell(objects)) for image, objects in self.rows.items()]
        write_csv(raw / "annotations.csv", [("cdn_file_url", "output_content"), *cells])
        write_csv(raw / "categories.csv", [("category_image",), *((c,) for c in self.categories)])
        params = load_params(ROOT / "params.yaml")
        params["raw"]["export"] = "data/raw"
        params["fetch"] |= fetch_params
        # JSON is YAML.
        (self.root / "params.yaml").write_text(json.dumps(params), encoding="utf-8")

    def run(self, version: str, **fetch_params: Any) -> Path:
        """Write the export, run fetch and coco; keep a copy of the data version under a name."""
        self.write(**fetch_params)
        with _inside(self.root):
            fetch.main()
            coco.main()
        return Path(shutil.copytree(self.root / "data/coco", self.root / version))

    def splits(self) -> dict[str, str]:
        """Image column -> split, as the COCO files of the last run have it."""
        found = {}
        for split in ("train", "val", "test"):
            value = json.loads((self.root / f"data/coco/{split}.json").read_bytes())
            found |= {image["source"]: split for image in value["images"]}
        return found


def compare(old: Path, new: Path) -> tuple[Comparison, str]:
    """The comparison of two folders, and its report."""
    versions = find_data_version(str(old)), find_data_version(str(new))
    comparison = compare_versions(*(load_labels(each.files, each.name) for each in versions))
    return comparison, comparison_to_markdown(*versions, comparison)


NAMES = ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL")


def run(folder: Path, *command: str) -> str:
    """Run git or dvc as a user would; return what it printed."""
    environment = os.environ | dict.fromkeys(NAMES, "tester") | {
        "DVC_NO_ANALYTICS": "1", "GIT_CONFIG_GLOBAL": os.devnull,
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
    }  # fmt: skip
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def make_data_versions(folder: Path) -> Path:
    """A repository in which DVC ran this project's stages fetch and coco.

    The tag v0 has no dvc.lock; v1 has 30 images; v2, which is checked out, has 10 more and pins
    the splits of v1. DVC keeps the export, as docs/bring-your-own-export.md has it.
    """
    project = ExportProject(folder, {})
    shutil.rmtree(folder / ".dvc")
    run(folder, "git", "init", "-q", "-b", "main")
    run(folder, "dvc", "init", "-q")
    for package in ("rhymes", "stages"):
        shutil.copytree(
            ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    (folder / ".dvcignore").write_bytes((ROOT / ".dvcignore").read_bytes())
    (folder / ".gitignore").write_text("__pycache__/\n")
    stages = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
    # JSON is YAML.
    chosen = {"stages": {name: stages[name] for name in ("fetch", "coco")}}
    (folder / "dvc.yaml").write_text(json.dumps(chosen), encoding="utf-8")
    run(folder, "git", "add", ".")
    run(folder, "git", "commit", "-qm", "v0")
    run(folder, "git", "tag", "v0")
    for tag, numbers in (("v1", range(30)), ("v2", range(30, 40))):
        project.add_images(*numbers)
        project.write()
        run(folder, "dvc", "add", "-q", "data/raw")
        run(folder, "dvc", "repro", "-q")
        run(folder, "git", "add", ".")
        run(folder, "git", "commit", "-qm", tag)
        run(folder, "git", "tag", tag)
        if tag == "v1":
            project.keep_splits()
    return folder


def _objects_to_cell(objects: Sequence[Labelled]) -> str:
    items = [
        {"type": "boundingBox", "data": box, "attributes": {"label": label}}
        for label, box in objects
    ]
    return json.dumps({"identifications": items})


@contextmanager
def _inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
