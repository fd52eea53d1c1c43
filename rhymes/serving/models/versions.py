"""The versions in a model's base path: `<base path>/<integer>/`, and which of them to serve.

Rules and texts as in TensorFlow Serving's file_system_storage_path_source.cc.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rhymes.serving.models.model_config import All, Latest, ModelConfig, Policy, Specific
from rhymes.serving.models.version_folder import CompleteFolder, FolderWatch, IncompleteFolder
from rhymes.versions.model_folder import name_to_version

_LOGGER = logging.getLogger("rhymes.serving")


@dataclass(frozen=True)
class Listing:
    """What was found.

    Attributes:
        folders: by version number, ascending.
        warnings: what a person should know.
    """

    folders: Mapping[int, Path]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class FolderState:
    """A version's folder as a poll found it.

    Attributes:
        watch: on the folder.
        found: whether it may be loaded.
    """

    watch: FolderWatch
    found: CompleteFolder | IncompleteFolder


class BasePathWatch:
    """A model's base path, looked at once a poll; one thread at a time may do it.

    Attributes:
        troubles: what was wrong at the last poll, each logged when it is new.
    """

    def __init__(self) -> None:
        self.troubles: tuple[str, ...] = ()
        self._watches: dict[int, FolderWatch] = {}

    def poll(self, config: ModelConfig) -> dict[int, FolderState] | None:
        """Look at the versions that should be served; None where the base path is not readable."""
        try:
            listing = list_versions(config.base_path)
        except OSError as error:
            self._note(_unreadable(config, error))
            return None
        chosen = choose_versions(listing.folders, config.policy)
        self._note(*listing.warnings, *list_missing(config, listing))
        self._watches = {number: self._watch(number, folder) for number, folder in chosen.items()}
        return {number: FolderState(watch, watch.poll()) for number, watch in self._watches.items()}

    def _watch(self, number: int, folder: Path) -> FolderWatch:
        watch = self._watches.get(number)
        return watch if watch is not None and watch.folder == folder else FolderWatch(folder)

    def _note(self, *troubles: str) -> None:
        for trouble in troubles:
            if trouble not in self.troubles:
                _LOGGER.warning("%s", trouble)
        self.troubles = troubles


def list_versions(base: Path) -> Listing:
    """List a base path's folders that are named by a number; all else is left aside.

    Where two names are one number (1 and 01), the last in the order of their characters counts.

    Raises:
        OSError: the base path cannot be listed.
    """
    folders: dict[int, Path] = {}
    warnings = []
    for folder in sorted(base.iterdir()):
        version = name_to_version(folder.name)
        if version is None or not folder.is_dir():
            continue
        if version in folders:
            warnings.append(
                f"Duplicate version directories detected. Version {version} will be loaded from "
                f"{folder.name}, {folders[version].name} will be ignored."
            )
        folders[version] = folder
    return Listing(dict(sorted(folders.items())), tuple(warnings))


def choose_versions(folders: Mapping[int, Path], policy: Policy) -> dict[int, Path]:
    """Pick the versions that a policy wants of those that there are, in their order."""
    match policy:
        case Latest(count):
            wanted = frozenset(sorted(folders)[-count:])
        case All():
            wanted = frozenset(folders)
        case Specific(versions):
            wanted = versions
    return {version: folder for version, folder in folders.items() if version in wanted}


def list_missing(config: ModelConfig, listing: Listing) -> list[str]:
    """Say which versions a model should have and has not."""
    name, policy, missing = config.name, config.policy, []
    if isinstance(policy, Specific):
        missing = [
            f"Version {version} of servable {name}, which was requested to be served as a "
            "'specific' version in the servable's version policy, was not found in the file system"
            for version in sorted(policy.versions - listing.folders.keys())
        ]
    if not listing.folders:
        missing.append(
            f"No versions of servable {name} found under base path {config.base_path}. Did you "
            "forget to name your leaf directory as a number (eg. '/1/')?"
        )
    return missing


def _unreadable(config: ModelConfig, error: OSError) -> str:
    is_missing = isinstance(error, FileNotFoundError)
    reason = f"NOT_FOUND: {config.base_path} not found" if is_missing else str(error)
    return (
        f"Could not find base path {config.base_path} for servable {config.name} "
        f"with error {reason}"
    )
