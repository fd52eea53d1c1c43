"""A small repository of Git and DVC: stages with the real ones' names and files, done in a moment.

Its stage export copies a version's folder that a test made; the others write what the real ones
write, as far as publishing reads it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.conftest import ROOT

IDENTITY = dict.fromkeys(
    ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"), "tester"
)
GIT_SETTINGS = {**IDENTITY, "GIT_CONFIG_GLOBAL": os.devnull, "DVC_NO_ANALYTICS": "1"}

MAKE = """
import json, shutil, sys
from pathlib import Path
from ruamel.yaml import YAML
from rhymes.common.files import file_to_sha256, save_json
from rhymes.versions.model_folder import load_identity
from rhymes.versions.published import load_published

stage, params = sys.argv[1], YAML(typ="safe").load(Path("params.yaml"))
version = str(params["export"]["version"])
model, test = Path("models/detector", version), Path("data/coco/test.json")
report = Path("reports", stage)
if stage == "coco":
    names = [f"{i:064x}.jpg" for i in range(params["coco"]["images"])]
    images = [
        {"id": i, "file_name": name, "width": 160, "height": 120}
        for i, name in enumerate(names, start=1)
    ]
    classes = [{"id": i, "name": name, "supercategory": ""} for i, name in ((1, "A"), (2, "B"))]
    save_json(test, {"categories": classes, "images": images, "annotations": []})
elif stage == "export":
    shutil.copytree(params["export"]["source"], model)
elif stage == "evaluate":
    found = {"category_id": 1, "bbox": [1.5, 2.0, 30.0, 40.0], "score": 0.75}
    images = json.loads(test.read_bytes())["images"]
    save_json(report / "detections.json", [{"image_id": each["id"], **found} for each in images])
    save_json(report / "metrics.json", {"images": len(images), "AP": 0.5, "AP50": 0.875})
    save_json(report / "model.json", {
        "version": int(version), "identity": load_identity(model),
        "test_sha256": file_to_sha256(test),
    })
elif stage == "verify":
    save_json(report / "metrics.json", {"images": 2, "sampled_images": 1})
    sys.exit(params["verify"]["exit"])
elif stage == "gate":
    baseline = load_published()
    value = {"passed": params["gate"]["passed"], "reasons": ["B lost 0.3 AP"], "notes": []}
    measured = json.loads(Path("reports/evaluate/model.json").read_bytes())
    save_json(report / "gate.json", value | measured | {"baseline": baseline and baseline.tag})
"""
DVC_YAML = """
stages:
  coco:
    cmd: python make.py coco
    deps: [make.py, data/raw]
    params: [coco]
    outs: [data/coco]
  export:
    cmd: python make.py export
    deps: [make.py]
    params: [export]
    outs: [models/detector]
  evaluate:
    cmd: python make.py evaluate
    deps: [make.py, models/detector, data/coco/test.json]
    outs: [reports/evaluate]
  verify:
    cmd: python make.py verify
    deps: [make.py, models/detector]
    params: [verify]
    outs: [reports/verify]
  gate:
    cmd: python make.py gate
    deps: [make.py, reports/evaluate, reports/published]
    params: [gate]
    outs: [reports/gate]
artifacts:
  detector: {path: models/detector, type: model}
"""


@dataclass
class Project:
    """The repository.

    Attributes:
        path: Its root.
    """

    path: Path

    def run(self, *command: str, code: int | None = 0) -> str:
        """Run a command as a user does; return what it printed."""
        done = subprocess.run(
            command,
            cwd=self.path,
            env=os.environ
            | GIT_SETTINGS
            | {
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                "PYTHONPATH": str(ROOT),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        assert code is None or done.returncode == code, f"{' '.join(command)}\n{done.stdout}"
        return done.stdout

    def git(self, *arguments: str) -> str:
        return self.run("git", *arguments).strip()

    def set(self, **sections: dict[str, Any]) -> None:
        """Change params.yaml."""
        path = self.path / "params.yaml"
        params = YAML(typ="safe").load(path)
        for section, values in sections.items():
            params[section] |= values
        with path.open("w") as file:
            YAML(typ="safe").dump(params, file)

    def build(self, **sections: dict[str, Any]) -> None:
        """Change params.yaml, run the stages, commit."""
        self.set(**sections)
        self.run("dvc", "repro", "-q")
        self.commit("build")

    def commit(self, message: str) -> None:
        self.git("add", "-A")
        self.git("commit", "-qm", message)

    def copy(self, path: Path) -> Project:
        return Project(Path(shutil.copytree(self.path, path, symlinks=True)))

    def tags(self) -> list[str]:
        return self.git("tag", "--list").split()


def start_project(path: Path, source: Path) -> Project:
    """Make the repository and build version 1 from a version's folder; all is committed."""
    path.mkdir()
    project = Project(path)
    project.run("git", "init", "-q", "-b", "main")
    project.run("dvc", "init", "-q")
    (path / "make.py").write_text(MAKE)
    (path / "dvc.yaml").write_text(DVC_YAML)
    (path / "params.yaml").write_text(
        "coco: {images: 2}\nexport: {version: 1, source: ''}\nverify: {exit: 0}\n"
        "gate: {passed: true}\n"
    )
    for name in ("models", "reports/published", "data/raw"):
        (path / name).mkdir(parents=True)
    (path / "data/raw/annotations.csv").write_text("a,b\n")
    project.run("dvc", "add", "-q", "data/raw")
    (path / "reports/published/README.md").write_text("What is published.\n")
    project.build(export={"source": str(source)})
    return project


def tree(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file below a folder, to compare."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.relative_to(folder).as_posix(), path.read_bytes()
