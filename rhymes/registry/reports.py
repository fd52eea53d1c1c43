"""reports/published/: what the gate compares the next version with, and this one's provenance."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rhymes.coco.files import load_coco
from rhymes.common.errors import InputError
from rhymes.common.files import file_to_sha256, save_text
from rhymes.registry.candidate import EVALUATE, Candidate, Evidence
from rhymes.registry.provenance import PROVENANCE_FILE, provenance_to_text
from rhymes.registry.revision import Difference
from rhymes.registry.tags import ARTIFACT, MODEL, Name
from rhymes.versions.published import PUBLISHED_FILE, results_to_published, save_published

_TEST = Path("data/coco/test.json")
# Of dependencies and outputs, those that are neither data nor weights to start from.
_NO_DATA = ("models/", "reports/", "stages/", "rhymes/")


def make_provenance(
    name: Name, candidate: Candidate, evidence: Evidence, difference: Difference
) -> dict[str, Any]:
    """Gather where a version comes from; see `rhymes.registry.provenance` for the format."""
    stages = candidate.stages.values()
    files: dict[str, str] = {}
    for stage in stages:
        files |= {**stage.deps, **stage.outs}
    return {
        "artifact": ARTIFACT,
        "version": name.version,
        "tag": str(name),
        "revision": candidate.revision,
        "dirty": difference.is_dirty,
        "uncommitted": list(difference.uncommitted),
        "not_as_committed": list(difference.not_as_committed),
        "model": {
            "path": MODEL.as_posix(),
            "md5": candidate.md5,
            "identity": candidate.identity,
        },
        "parameters": {
            section: values for stage in stages for section, values in sorted(stage.params.items())
        },
        "data": {path: md5 for path, md5 in sorted(files.items()) if is_data(path)},
        "test": {"sha256": evidence.measured["test_sha256"], "metrics": evidence.metrics},
        "verify": {name: evidence.verify[name] for name in ("images", "sampled_images")},
        "gate": {name: evidence.gate[name] for name in ("passed", "baseline", "notes")},
    }


def is_data(path: str) -> bool:
    """Tell data, and weights to start from, from code, models and reports."""
    return not path.endswith(".py") and not path.startswith(_NO_DATA)


def save_reports(root: Path, name: Name, evidence: Evidence, values: dict[str, Any]) -> None:
    """Write reports/published/: what the gate compares the next version with, and provenance.

    Raises:
        InputError: data/coco/test.json is not that which was measured on.
    """
    if file_to_sha256(root / _TEST) != evidence.measured["test_sha256"]:
        raise InputError(
            f"{_TEST} is not that which {EVALUATE} was measured on; run `dvc checkout`"
        )
    results = json.loads((root / EVALUATE / "detections.json").read_bytes())
    published = results_to_published(load_coco(root / _TEST), results, evidence.measured, str(name))
    save_published(root / PUBLISHED_FILE, published)
    save_text(root / PUBLISHED_FILE.with_name(PROVENANCE_FILE), provenance_to_text(values))
