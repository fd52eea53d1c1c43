"""Two dvc.lock files, entry by entry; and in which files a folder of one differs from the other's.

All of a lock is compared: each stage's command, dependencies, parameters and outputs, with hashes,
sizes and numbers of files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from rhymes.versions.dvc import load_folder_files

OUTS = "outs"
_MISSING = "-"


class Entry(NamedTuple):
    """An entry of a lock, as the one and as the other has it.

    Attributes:
        stage: its name.
        kind: cmd, deps, params or outs.
        name: path of a dep or an out, file of params.
        first: md5, or else all that the lock says of it; "-" where it has no such entry.
        second: the same of the other lock.
    """

    stage: str
    kind: str
    name: str
    first: str
    second: str

    @property
    def is_equal(self) -> bool:
        """Whether both say the same."""
        return self.first == self.second


def locks_to_entries(first: bytes, second: bytes) -> list[Entry]:
    """Put two locks side by side, stage by stage in the order of the first."""
    flat = [dict(_lock_to_items(lock)) for lock in (first, second)]
    keys = [*flat[0], *(key for key in flat[1] if key not in flat[0])]
    return [Entry(*key, *(each.get(key, _MISSING) for each in flat)) for key in keys]


def _lock_to_items(lock: bytes) -> Iterator[tuple[tuple[str, str, str], str]]:
    # Every scalar as text: what YAML reads as a number is compared as it is written.
    for stage, parts in yaml.load(lock, yaml.CBaseLoader)["stages"].items():  # noqa: S506
        for kind, value in parts.items():
            if kind in ("deps", OUTS):
                for item in value:
                    yield (stage, kind, item["path"]), _item_to_text(item)
            else:
                yield (stage, kind, ""), json.dumps(value, sort_keys=True)


def _item_to_text(item: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in item.items() if key not in ("path", "md5", "hash")}
    return f"{item.get('md5', 'no md5')} {json.dumps(rest, sort_keys=True)}"


def differing_files(entry: Entry, caches: Sequence[Path]) -> list[str]:
    """Files of an output folder that only one clone has, or that differ, by name.

    Args:
        entry: of two outs.
        caches: DVC's cache folders of the two clones.
    """
    hashes = [text.split(" ")[0] for text in (entry.first, entry.second)]
    if not all(each.endswith(".dir") for each in hashes):
        return [entry.name]
    first, second = (
        load_folder_files(cache, md5, entry.name) for cache, md5 in zip(caches, hashes, strict=True)
    )
    names = sorted(first.keys() | second.keys())
    return [f"{entry.name}/{n}" for n in names if first.get(n) != second.get(n)]


def entries_to_table(entries: Sequence[Entry]) -> str:
    """All outputs with both hashes, and whatever else differs; then how many are equal."""
    shown = [entry for entry in entries if entry.kind == OUTS or not entry.is_equal]
    cells = [["stage", "", "first clone", "second clone", ""]]
    for entry in shown:
        sides = (entry.first, entry.second)
        name = entry.name or entry.kind
        if entry.kind not in (OUTS, "cmd", "params"):
            name = f"{name} ({entry.kind})"
        verdict = "equal" if entry.is_equal else "DIFFERS"
        cells.append([entry.stage, name, *(side.split(" ")[0] for side in sides), verdict])
    widths = [max(len(row[place]) for row in cells) for place in range(len(cells[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]
    return "\n".join([*lines, entries_to_summary(entries)])


def entries_to_summary(entries: Sequence[Entry]) -> str:
    """How many entries of each kind are equal."""
    counts = []
    for kind in dict.fromkeys(entry.kind for entry in entries):
        of_kind = [entry for entry in entries if entry.kind == kind]
        equal = sum(entry.is_equal for entry in of_kind)
        counts.append(f"{equal} of {len(of_kind)} {kind}")
    return f"equal: {', '.join(counts)}"
