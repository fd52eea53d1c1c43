"""What a comparison of two data versions shows that its reader must know -> sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from rhymes.data_diff.data_comparison import ClassChange, Comparison
from rhymes.export.rhymes import Reason
from rhymes.versions.data_version import DataVersion

_LISTED = 10


def comparison_to_findings(
    old: DataVersion, new: DataVersion, comparison: Comparison
) -> Iterator[str]:
    """Yield a sentence a finding, the gravest first."""
    yield from _wandered(comparison)
    for change in comparison.class_changes:
        yield _class_change_to_text(change, comparison)
    yield from _categories(comparison)
    yield from _ids(comparison)
    yield from _pictures(comparison)
    yield from _drops(old, new)


def dropped_counts(version: DataVersion) -> dict[str, int]:
    """Reason -> how many rows or objects it took; empty where the version has no report."""
    dropped = (version.report or {}).get("dropped")
    if not isinstance(dropped, Mapping):
        return {}
    return {
        str(reason): each["count"]
        for reason, each in dropped.items()
        if isinstance(each, Mapping) and isinstance(each.get("count"), int)
    }


def _wandered(comparison: Comparison) -> Iterator[str]:
    ways = Counter((pair.old.split, pair.new.split) for pair in comparison.wandered)
    if not ways:
        return
    listed = ", ".join(f"{before} -> {after}: {n}" for (before, after), n in sorted(ways.items()))
    count = ways.total()
    text = f"**{_count(count, 'image is', 'images are')} in another split** ({listed})."
    leaked = sum(n for (before, after), n in ways.items() if before == "train" and after != "train")
    if leaked:
        text += (
            f" A model trained on the old version has seen {leaked} of those that are now held "
            "out: its figures on the new version are too good."
        )
    yield (
        f"{text} To keep images where they were: put the old version's splits.csv in "
        "data/splits.csv, and next time run `make keep-splits` before the export changes."
    )


def _class_change_to_text(change: ClassChange, comparison: Comparison) -> str:
    objects = _count(change.objects, "object", "objects")
    names = _list([f"'{name}'" for name in change.new])
    if change.is_rename:
        ids = {name: number for number, name in comparison.new.names.items()}
        stays = change.new[0] not in comparison.moved_ids
        number = f"; its id is still {ids[change.new[0]]}" if stays else ""
        return f"The class '{change.old}' is now called {names} ({objects}{number})."
    verb = "was merged into" if len(change.new) == 1 else "was divided into"
    return f"The class '{change.old}' is gone: it {verb} {names} ({objects})."


def _categories(comparison: Comparison) -> Iterator[str]:
    told = {change.old for change in comparison.class_changes} | set(comparison.renames.values())
    old, new = comparison.old.names.values(), comparison.new.names.values()
    for title, names, counts in (
        ("New", [name for name in new if name not in old], "new"),
        ("Gone", [name for name in old if name not in new], "old"),
    ):
        listed = [
            f"'{name}' ({getattr(comparison.classes[name], counts).total()} objects)"
            for name in names
            if name not in told
        ]
        if listed:
            what = "class" if len(listed) == 1 else "classes"
            yield f"{title} {what}: {_list(listed)}."


def _ids(comparison: Comparison) -> Iterator[str]:
    if moved := comparison.moved_ids:
        listed = _list([f"'{name}' {old} -> {new}" for name, (old, new) in moved.items()])
        yield (
            f"{_count(len(moved), 'class has', 'classes have')} another id: {listed}. Ids follow "
            "the order of the categories CSV, and a model knows its classes by id: one trained on "
            "the old version must be read with that version's label map. New classes at the end "
            "of the CSV leave the ids as they are."
        )


def _pictures(comparison: Comparison) -> Iterator[str]:
    if replaced := comparison.replaced:
        count = _count(len(replaced), "picture has", "pictures have")
        yield (
            f"{count} other bytes under the same name: {_list([p.new.name for p in replaced])}. "
            "Pins of the old bytes' hash do not hold them in their split."
        )
    if renamed := comparison.renamed:
        count = _count(len(renamed), "picture has", "pictures have")
        yield f"{count} the same bytes under another name."


def _drops(old: DataVersion, new: DataVersion) -> Iterator[str]:
    before, after = dropped_counts(old), dropped_counts(new)
    if not before or not after:
        return
    for reason in Reason:
        count, more = after.get(reason, 0), after.get(reason, 0) - before.get(reason, 0)
        if more > 0:
            yield (
                f"{more} more than before dropped as `{reason}` ({count} in all); the new "
                "version's report.md says which rows."
            )


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _list(names: list[str]) -> str:
    shown = ", ".join(names[:_LISTED])
    return shown if len(names) <= _LISTED else f"{shown} and {len(names) - _LISTED} more"
