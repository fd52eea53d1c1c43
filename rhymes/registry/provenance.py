"""Where a published version comes from: JSON in the tag's message and beside the version.

    {"artifact": "detector", "version": 2, "tag": "detector@v2.0.0",
     "revision": "<commit>", "dirty": false, "uncommitted": [], "not_as_committed": [],
     "model": {"path": "models/detector", "md5": "<DVC's>", "identity": "<manifest's SHA-256>"},
     "parameters": {"train": {...}, ...}, "data": {"data/coco": "<DVC's md5>", ...},
     "test": {"sha256": "<of test.json>", "metrics": {...}},
     "verify": {...}, "gate": {...}}

It lies outside the version's folder, whose bytes must not depend on Git.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rhymes.common.errors import InputError
from rhymes.metrics.catalogue import metrics
from rhymes.registry.tags import Tag

PROVENANCE_FILE = "provenance.json"


@dataclass(frozen=True)
class Provenance:
    """What a tag says of its version.

    Attributes:
        values: All of it.
        md5: DVC's, of models/detector.
        identity: SHA-256 of the version's manifest.
    """

    values: dict[str, Any]
    md5: str
    identity: str


def provenance_to_text(values: dict[str, Any]) -> str:
    """Write it as JSON, the same bytes for the same values."""
    return json.dumps(values, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def provenance_to_message(values: dict[str, Any]) -> str:
    """Write a tag's message: a line for people, then the JSON."""
    return f"{_headline(values)}\n\n{provenance_to_text(values)}"


def _headline(values: dict[str, Any]) -> str:
    measured = values["test"]["metrics"]
    figures = ", ".join(
        f"{metric.column} {metric.value_to_text(measured[metric.key])}"
        for metric in metrics(is_headline=True)
        if isinstance(measured.get(metric.key), int | float)
    )
    told = f": {figures} on {measured.get('images')} test images" if figures else ""
    return f"{values['artifact']} {values['version']}{told}"


def tag_to_provenance(tag: Tag) -> Provenance:
    """Read a tag's message; what stands around the JSON, such as a signature, is left aside.

    Raises:
        InputError: it holds no provenance of this tag.
    """
    start = tag.message.find("\n{")
    try:
        values, _ = json.JSONDecoder().raw_decode(tag.message, start + 1)
        found = Provenance(values, str(values["model"]["md5"]), str(values["model"]["identity"]))
        said = values["tag"], values["version"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise InputError(
            f"tag {tag.name}: its message holds no provenance, so serving.publish did not make it, "
            "and nothing says that the version was verified and passed the gate"
        ) from None
    if said != (str(tag.name), tag.name.version):
        raise InputError(f"tag {tag.name}: its message is that of {said[0]}, version {said[1]}")
    return found


def version_to_provenance_path(base: Path, version: int) -> Path:
    """Where a base path keeps it: beside the version, under a name that is no version's."""
    return base / f"{version}.{PROVENANCE_FILE}"
