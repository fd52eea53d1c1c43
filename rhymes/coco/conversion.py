"""A fetched Rhymes export -> COCO files, label map, split assignment and report.

The CSV is read once, as a stream: what a row holds goes to a cache on the disk, and comes back
image by image when the splits are known. Memory holds some hundred bytes an image.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from re import Pattern
from typing import Literal

from tqdm import tqdm

from rhymes.coco.consensus import ConsensusOptions, reach_consensus
from rhymes.coco.conversion_counts import ConversionCounts
from rhymes.coco.conversion_report import (
    conversion_to_warnings,
    save_report,
    why_nothing_is_left,
)
from rhymes.coco.copies import CopyGroups, copies_to_report, group_copies, load_groups
from rhymes.coco.export_images import AnnotationCache, ExportImage, annotation_cache
from rhymes.coco.files import CocoAnnotation, CocoImage, names_to_categories, save_coco
from rhymes.coco.group_pattern import find_pattern_keys
from rhymes.coco.label_map import save_label_map, save_labels
from rhymes.coco.leakage import find_closest_pairs, leakage_to_report, save_closest_pairs
from rhymes.coco.merging import merge_images, merging_to_report
from rhymes.coco.pins import load_pins, pin_groups, pins_to_keep, save_pins
from rhymes.coco.plausibility import Plausibility
from rhymes.coco.splits import SPLITS, Assignment, assign_splits, group_images
from rhymes.common.csv import load_rows
from rhymes.common.errors import InputError
from rhymes.export.annotations import Annotation, LastTouch, Reason
from rhymes.export.annotators import find_annotator_column
from rhymes.export.categories import LabelMatcher, load_categories
from rhymes.export.cells import ANNOTATION_COLUMN, cell_to_items, item_to_annotation, item_to_label
from rhymes.export.dialects import load_dialect
from rhymes.export.fetched import IndexedImage, load_image_index
from rhymes.export.problems import (
    cell_to_problem,
    duplicate_to_problem,
    item_to_problem,
    source_to_problem,
)
from rhymes.images.fingerprint import FingerprintFile, Fingerprints


@dataclass(frozen=True)
class ConversionOptions:
    """How labels are matched and images split; params.yaml's section `coco` has more words.

    Attributes:
        seed: of the split.
        fractions: of the images, for train, val and test.
        pattern: finds an image's group in its name.
        groups: "auto" joins copies by their names and content, "none" those of a file alone.
        separator: ends the part of a label that names its class.
        consensus: which objects of an image's rows are one.
        annotator_column: of annotations.csv; None for the first of `ANNOTATOR_COLUMNS` there is.
    """

    seed: int
    fractions: tuple[float, float, float]
    pattern: Pattern[str] | None = None
    groups: Literal["auto", "none"] = "auto"
    separator: str | None = None
    consensus: ConsensusOptions = field(default_factory=ConsensusOptions)
    annotator_column: str | None = None


def convert_export(
    export: Path,
    pins: Path,
    folder: Path,
    options: ConversionOptions,
    groups_file: Path | None = None,
    images_folder: Path | None = None,
) -> ConversionCounts:
    """Convert an export.

    Args:
        export: the folder with annotations.csv, categories.csv, index.csv and fingerprints.npy.
        pins: the splits.csv that wins over everything.
        folder: gets train.json, val.json, test.json, label_map.pbtxt, labels.txt, splits.csv (the
            full assignment), report.json and report.md, and closest_pairs.png.
        options: see there.
        groups_file: the groups.csv that says which images are copies of each other.
        images_folder: from which closest_pairs.png is drawn; None for no drawing.

    Returns:
        The counts, as the reports have them.

    Raises:
        InputError: a file cannot be read, or no object is left; then the reports say why.
    """
    categories = load_categories(export / "categories.csv")
    matcher = LabelMatcher(categories.names, options.separator)
    earlier = load_pins(pins)
    counts = ConversionCounts(categories.names, warnings=list(categories.warnings))
    counts.asked = dict(zip(SPLITS, options.fractions, strict=True))
    folder.mkdir(parents=True, exist_ok=True)
    with annotation_cache(folder) as cache:
        reader = _Reader(export, matcher, counts, cache, options.annotator_column)
        images = merge_images(reader.read())
        counts.see_findings(reader.plausibility.findings())
        reach_consensus(images, cache, counts, options.consensus, reader.annotators)
        if not any(image.class_ids for image in images):
            save_report(folder, counts)
            raise InputError(why_nothing_is_left(counts))
        keys = _find_keys(images, options.pattern, counts)
        fingerprints = reader.fingerprints(images)
        copies = _find_copies(images, keys, fingerprints, options, groups_file)
        # Pins win: copies that are pinned to several splits are parted.
        alone = group_images(images, keys)
        copies.keep_pins(alone, pin_groups(pins, earlier, images, alone).splits)
        groups = group_images(images, keys, copies.groups)
        pinned = pin_groups(pins, earlier, images, groups)
        assignment = assign_splits(images, groups, options.fractions, options.seed, pinned.splits)
        _write_splits(folder, images, assignment, counts, cache)
    counts.check()
    save_label_map(folder / "label_map.pbtxt", categories.names)
    save_labels(folder / "labels.txt", categories.names)
    save_pins(folder / "splits.csv", pins_to_keep(earlier, images, assignment.splits, keys))
    counts.merged = merging_to_report(images)
    counts.copies = copies_to_report(copies, [image.sources for image in images])
    closest = find_closest_pairs(fingerprints, assignment.splits)
    counts.leakage = leakage_to_report(closest, [image.source for image in images])
    if images_folder is not None and any(closest.values()):
        names = [_file_name(image) for image in images]
        save_closest_pairs(folder / "closest_pairs.png", images_folder, closest, names)
    counts.groups, counts.largest_group = assignment.groups, assignment.largest_group
    counts.warnings += conversion_to_warnings(counts, matcher, images, pinned)
    save_report(folder, counts)
    return counts


def _find_keys(
    images: Sequence[ExportImage], pattern: Pattern[str] | None, counts: ConversionCounts
) -> dict[str, str]:
    """Return the keys that join images: name in the export -> key."""
    if pattern is None:
        return {}
    sources = [source for image in images for source in image.sources]
    counts.group_pattern = find_pattern_keys(sources, pattern)
    return counts.group_pattern.keys


def _find_copies(
    images: Sequence[ExportImage],
    keys: Mapping[str, str],
    fingerprints: Fingerprints,
    options: ConversionOptions,
    groups_file: Path | None,
) -> CopyGroups:
    """Group copies; where a pattern finds a key in an image's name, it says all of the name."""
    return group_copies(
        [image.sources for image in images],
        fingerprints if options.groups == "auto" else None,
        load_groups(groups_file) if groups_file else {},
        [place for place, image in enumerate(images) if keys.keys().isdisjoint(image.sources)],
    )


class _Reader:
    """Reads the annotations CSV; rows of one name become one image."""

    def __init__(
        self,
        export: Path,
        matcher: LabelMatcher,
        counts: ConversionCounts,
        cache: AnnotationCache,
        annotator_column: str | None,
    ) -> None:
        self._path = export / "annotations.csv"
        self._column = load_dialect(self._path).image_column
        self._index = load_image_index(export / "index.csv")
        self._matcher = matcher
        self._counts = counts
        self._cache = cache
        self._images: dict[str, ExportImage] = {}
        self._annotator_column = find_annotator_column(self._path, annotator_column)
        self.annotators: dict[int, str] = {}
        self.plausibility = Plausibility()

    def read(self) -> list[ExportImage]:
        """Return the images of all rows that are kept, in order of first appearance."""
        rows = load_rows(self._path, [ANNOTATION_COLUMN])
        for row in tqdm(rows, desc="read", unit=" rows", disable=None, leave=False):
            self._counts.rows_read += 1
            source = row.cells[self._column]
            cell = row.cells[ANNOTATION_COLUMN]
            items = cell_to_items(cell)
            if isinstance(items, Reason):
                self._counts.drop(items, row.number, partial(cell_to_problem, cell, items))
            elif (file := self._file(source, row.number)) is None:
                self._counts.drop(
                    Reason.IMAGE_FAILED, row.number, partial(source_to_problem, source)
                )
            else:
                self._counts.rows_kept += 1
                # The index's own copy of the name, so that only one is held.
                image = self._images.setdefault(file.source, ExportImage((file,)))
                self._read_items(items, row.number, image)
                if self._annotator_column and (name := row.cells[self._annotator_column].strip()):
                    self.annotators[row.number] = sys.intern(name)
        return list(self._images.values())

    def fingerprints(self, images: Sequence[ExportImage]) -> FingerprintFile:
        """Open the fingerprints of images, in their order."""
        places = {source: place for place, source in enumerate(self._index)}
        rows = [places[image.source] for image in images]
        return FingerprintFile(self._path.with_name("fingerprints.npy"), len(places), rows)

    def _file(self, source: str, row: int) -> IndexedImage | None:
        if source in self._index:
            return self._index[source]
        raise InputError(
            f"{self._path}: row {row}: image '{source}' is not in index.csv; "
            "the two do not belong together: run the stage fetch again"
        )

    def _read_items(self, items: Sequence[object], row: int, image: ExportImage) -> None:
        annotations: list[Annotation] = []
        for item in items:
            self._counts.items_read += 1
            read = item_to_annotation(item, self._matcher, image.file.width, image.file.height)
            self.plausibility.see(item, read, image.file)
            if isinstance(read, Annotation):
                annotations.append(read)
                continue
            size = (image.file.width, image.file.height)
            to_problem = partial(item_to_problem, item, read, self._matcher, *size)
            self._counts.drop(read, row, to_problem)
            if read is Reason.UNKNOWN_LABEL and isinstance(item, Mapping):
                self._counts.see_unknown(item_to_label(item) or "")
            elif read is not Reason.NULL_ITEM:
                image.broken = True
        image.rows += ((row, self._cache.append(annotations)),)
        found = {annotation.class_id for annotation in annotations}
        image.class_ids = tuple(sorted(found.union(image.class_ids)))


def _write_splits(
    folder: Path,
    images: Sequence[ExportImage],
    assignment: Assignment,
    counts: ConversionCounts,
    cache: AnnotationCache,
) -> None:
    """Write a COCO file a split; image and annotation ids go on from one file to the next."""
    categories = names_to_categories(counts.names)
    image_id = 0
    for number, split in enumerate(SPLITS):
        chosen = [image for image, s in zip(images, assignment.splits, strict=True) if s == number]
        numbered = list(enumerate(chosen, start=image_id + 1))
        counts.images[split] = len(chosen)
        counts.empty_images[split] = sum(not image.class_ids for image in chosen)
        save_coco(
            folder / f"{split}.json",
            f"Rhymes export, {split} split",
            categories,
            (_image_to_coco(image, image_id) for image_id, image in numbered),
            _annotations_to_coco(numbered, split, counts, cache),
        )
        image_id += len(chosen)


def _file_name(image: ExportImage) -> str:
    return f"{image.file.sha256}.jpg"


def _image_to_coco(image: ExportImage, image_id: int) -> CocoImage:
    record: CocoImage = {
        "id": image_id,
        "file_name": _file_name(image),
        "width": image.file.width,
        "height": image.file.height,
        "source": image.source,
    }
    if len(image.files) > 1:
        record["sources"] = list(image.sources)
    return record


def _annotations_to_coco(
    images: Sequence[tuple[int, ExportImage]],
    split: str,
    counts: ConversionCounts,
    cache: AnnotationCache,
) -> Iterator[CocoAnnotation]:
    """Yield a split's annotations and count them; of exact duplicates on an image only one."""
    for image_id, image in tqdm(images, desc=split, unit=" images", disable=None, leave=False):
        seen: set[Annotation] = set()
        for row, position in image.rows:
            for annotation in cache.read(position):
                if annotation in seen:
                    name = counts.names[annotation.class_id - 1]
                    box = list(annotation.shape.bbox)
                    counts.drop(
                        Reason.DUPLICATE_ITEM, row, partial(duplicate_to_problem, name, box)
                    )
                    continue
                seen.add(annotation)
                counts.items_kept += 1
                counts.items_clipped += annotation.shape.clipped
                counts.classes[split][annotation.class_id] += 1
                counts.touches[split][annotation.last_touch] += 1
                yield _annotation_to_coco(annotation, counts.items_kept, image_id)


def _annotation_to_coco(annotation: Annotation, number: int, image_id: int) -> CocoAnnotation:
    shape = annotation.shape
    record: CocoAnnotation = {
        "id": number,
        "image_id": image_id,
        "category_id": annotation.class_id,
        "bbox": list(shape.bbox),
        "area": shape.area,
        "iscrowd": 0,
    }
    if shape.rings:
        record["segmentation"] = [list(ring) for ring in shape.rings]
    if annotation.last_touch is not LastTouch.PERSON:
        record["last_touch"] = str(annotation.last_touch)
    return record
