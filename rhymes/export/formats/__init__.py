"""The formats of other tools' exports: each module of this package is one, called `FORMAT` in it.

A module that is added is a format that `raw.format` knows.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass

from rhymes.common.errors import InputError
from rhymes.common.text import count_to_text
from rhymes.export.export_folder import ExportFolder
from rhymes.export.format import Format

AUTO, RHYMES = "auto", "rhymes"


def _load_formats() -> dict[str, Format]:
    modules = sorted(module.name for module in pkgutil.iter_modules(__path__))
    found = (importlib.import_module(f"{__name__}.{module}").FORMAT for module in modules)
    return {each.name: each for each in found}


FORMATS: dict[str, Format] = _load_formats()
"""All formats by name, but for the export's own."""


def list_names() -> list[str]:
    """Return what `raw.format` may be."""
    return [AUTO, RHYMES, *FORMATS]


@dataclass(frozen=True)
class FoundFormat:
    """What a folder was taken for.

    Attributes:
        format: Its format.
        files: The files that tell it, which are those to read.
    """

    format: Format
    files: list[str]

    @property
    def reason(self) -> str:
        """Say what the folder was taken for, and why."""
        first, *others = self.files
        more = f" (and {count_to_text(len(others), 'file')} more)" if others else ""
        return f"{self.format.title}, for {first}{more} {self.format.evidence}"


def find_format(folder: ExportFolder, wanted: str) -> FoundFormat | None:
    """Say which format a folder has; None where it may be an export of our own all the same.

    That is where none is wanted and found, and CSV files are there: the one that is missing is
    what has to be named then.

    Args:
        folder: The export's folder.
        wanted: What `raw.format` says: a format, or `auto`.

    Raises:
        InputError: It has none, several, or not the one that is wanted.
    """
    asked = [FORMATS[wanted]] if wanted in FORMATS else list(FORMATS.values())
    found = [FoundFormat(each, files) for each in asked if (files := each.find(folder))]
    if not found and wanted in FORMATS:
        each = FORMATS[wanted]
        raise InputError(
            f"{folder.root}: raw.format is {wanted}, but no file there {each.evidence}; "
            f"there are {_files_to_text(folder)}"
        )
    if not found and folder.with_suffix(".csv"):
        return None
    if not found:
        known = ", ".join(f"{name} ({each.evidence})" for name, each in FORMATS.items())
        raise InputError(
            f"{folder.root}: of no known format: neither is there the file that raw.annotations "
            f"names, nor one that tells another tool's: {known}; there are {_files_to_text(folder)}"
        )
    if len(found) > 1:
        raise InputError(
            f"{folder.root}: may be {' or '.join(each.reason for each in found)}; "
            f"set raw.format to {' or '.join(each.format.name for each in found)}"
        )
    return found[0]


def _files_to_text(folder: ExportFolder) -> str:
    shown = ", ".join(folder.files[:5])
    more = f" and {len(folder.files) - 5} more" if len(folder.files) > 5 else ""
    return f"{shown}{more}" if shown else "no files"
