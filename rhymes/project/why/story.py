"""Differences of stages -> sentences that follow the chain from a stage to what began it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from rhymes.project.why.changes import Change, Kind, compare_inputs, compare_outputs
from rhymes.project.why.content import Contents, compare_folders, count_lines, name_files
from rhymes.project.why.pipeline import MISSING, Pipeline
from rhymes.versions.dvc import LockedStage

Stages = Mapping[str, LockedStage]


@dataclass(frozen=True)
class Moments:
    """Two states of the pipeline.

    Attributes:
        old: The stages then.
        new: The stages now.
        is_planned: Whether `new` is what lies there and has not run yet, rather than a lock.
    """

    old: Stages
    new: Stages
    is_planned: bool


class Story:
    """Tells why stages ran, or would run.

    Args:
        moments: What is compared.
        pipeline: dvc.yaml's stages, for who writes what.
        contents: What had which hash.
    """

    def __init__(self, moments: Moments, pipeline: Pipeline, contents: Contents) -> None:
        self._moments = moments
        self._pipeline = pipeline
        self._contents = contents
        self._told: set[str] = set()

    def tell(self, name: str) -> list[str]:
        """Give the reasons of a stage, as lines with their indentation; none: there is no reason.

        A stage whose reasons stand further up is not told again.
        """
        lines = list(self._own_reasons(name))
        told = []
        for upstream, paths in self._upstream(name).items():
            if upstream in self._told:
                told.append(upstream)
            elif reasons := self.tell(upstream):
                lines.append(f"- {self._because(upstream, paths)}")
                lines += [f"    {line}" for line in reasons]
        if told:
            lines.append(f"- {', '.join(told)} {self._verb()} (see above)")
        if lines:
            self._told.add(name)
        return lines

    def has_own_reasons(self, name: str) -> bool:
        """Whether a stage has reasons besides the stages before it."""
        return any(self._own_reasons(name))

    def _own_reasons(self, name: str) -> Iterator[str]:
        old, new = self._moments.old.get(name), self._moments.new.get(name)
        if new is None:
            yield "- it is no stage any more, or has no entry in dvc.lock now"
        elif old is None:
            yield "- it has no entry in dvc.lock: it has not run yet"
            return
        else:
            changes = compare_inputs(old, new)
            for change in changes:
                yield f"- {self._change_to_text(change)}"
            if self._moments.is_planned or not changes:
                for change in compare_outputs(old, new):
                    yield f"- {self._change_to_text(change)}"

    def _upstream(self, name: str) -> dict[str, list[str]]:
        """Stages that write dependencies of a stage -> which; in "ran", only what changed."""
        old, new = self._moments.old.get(name), self._moments.new.get(name)
        if new is None:
            return {}
        found: dict[str, list[str]] = {}
        for path, md5 in new.deps.items():
            writer = self._pipeline.writer(path)
            is_changed = old is None or old.deps.get(path) != md5
            if writer and writer != name and (is_changed or self._moments.is_planned):
                found.setdefault(writer, []).append(path)
        # The nearest first: what comes before it stands in its own reasons.
        order = list(self._pipeline.stages)
        return {name: found[name] for name in sorted(found, key=order.index, reverse=True)}

    def _because(self, stage: str, paths: list[str]) -> str:
        return f"{stage}, which writes {' and '.join(paths)}, {self._verb()}:"

    def _verb(self) -> str:
        return "would run first" if self._moments.is_planned else "ran again"

    def _change_to_text(self, change: Change) -> str:
        match change.kind:
            case Kind.COMMAND:
                return f"command: {change.old} -> {change.new}"
            case Kind.PARAMETER:
                return f"parameter {change.name}: {_value(change.old)} -> {_value(change.new)}"
            case Kind.OUTPUT:
                return self._output_to_text(change)
        what = "module" if change.name.endswith(".py") else "dependency"
        if change.new == MISSING:
            return f"{what} {change.name} is missing"
        if change.old is None:
            return f"{what} {change.name} is new in dvc.yaml"
        if change.new is None:
            return f"{what} {change.name} is no dependency any more"
        if not change.new.endswith(".dir") and what == "dependency":
            what = "file"
        elif change.new.endswith(".dir"):
            what = "folder"
        return f"{what} {change.name}: {self._inside(change)}"

    def _output_to_text(self, change: Change) -> str:
        if change.old is None:
            return f"output {change.name} is new in dvc.yaml"
        if change.new is None:
            return f"output {change.name} is no output any more"
        if change.new == MISSING:
            is_kept = self._contents.is_cached(change.old)
            hint = "; `dvc checkout` brings it back from the cache" if is_kept else ""
            return f"output {change.name} is missing{hint}"
        if self._moments.is_planned:
            return f"output {change.name} is not as the stage left it: {self._inside(change)}"
        return f"output {change.name} is another, of the same inputs: {self._inside(change)}"

    def _inside(self, change: Change) -> str:
        """Say what changed in a file or a folder, as far as anything knows what was there."""
        if not (change.old.endswith(".dir") and change.new.endswith(".dir")):
            return self._lines(change.name, change.old, change.new) or "changed"
        old, new = (
            self._contents.folder(change.name, md5, _outs(stages))
            for md5, stages in (
                (change.old, self._moments.old),
                (change.new, self._moments.new),
            )
        )
        if old is None or new is None:
            return "changed; which files cannot be said, as DVC's cache does not have what it was"
        return "; ".join(
            f"{len(names)} {kind}: {self._name(change.name, kind, names, old, new)}"
            for kind, names in compare_folders(old, new).items()
        )

    def _name(
        self,
        folder: str,
        kind: str,
        names: list[str],
        old: Mapping[str, str],
        new: Mapping[str, str],
    ) -> str:
        images = self._contents.image_names(_outs(self._moments.old))
        text = name_files(names, images)
        if kind == "changed" and len(names) == 1:
            path = (PurePosixPath(folder) / names[0]).as_posix()
            lines = self._lines(path, old[names[0]], new[names[0]])
            text += f" ({lines})" if lines else ""
        return text

    def _lines(self, path: str, old: str, new: str) -> str:
        texts = self._contents.text(path, old), self._contents.text(path, new)
        if texts[0] is None or texts[1] is None:
            return ""
        return count_lines(texts[0], texts[1])


def _outs(stages: Stages) -> dict[str, str]:
    return {path: md5 for stage in stages.values() for path, md5 in stage.outs.items()}


def _value(value: Any) -> str:
    return "null" if value is None else str(value)
