"""Whether the boxes of an export mean what they are read as: pixels, in the order of their dialect.

Coordinates in another unit or order are numbers like any other, and a detector learns them. What
gives them away is how they lie in their images, all together: so boxes are looked at as they were
read, before they are cut to the image, and counted by what they would fit if they were read
otherwise. Outlines count by the box around them.

What cannot be (most objects below a pixel, most reaching out of their image) stops the conversion;
what may be is a warning. Both name the likely cause with its evidence, and the cure.

Objects are counted as they come, so that memory does not grow with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rhymes.common.text import list_first
from rhymes.export.annotations import Annotation, Reason
from rhymes.export.dialects import boxes, item_type_to_dialect
from rhymes.export.fetched import IndexedImage

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_SEEN_AT_ONCE = 4096
_LISTED = 10

# Annotators overshoot the edge: by a pixel, and a hundredth of the image.
_SLACK_PIXELS = 1.0
_SLACK = 0.01

_LEAST = 5  # objects; fewer than these are chance
_LEAST_OF_ALL = 20  # objects; of fewer nothing is said about all
_SUSPECT = 0.03  # of all objects; fewer may reach out of their images
_MANY = 0.2  # of all objects; as many do not, whatever the cause
_EXPLAINED = 10  # times as many have to fit a reading that is to be the cause

# Of 20 objects that may lie anywhere none reaches beyond the middle once in a million exports.
_FAR = 0.55
_UNIT = 1.01
_PERCENT = 101.0
_PERCENT_IN_USE = 60.0
_LARGEST_SCALE = 20.0
_SIDEWAYS = 5  # EXIF's orientations from here on swap width and height


@dataclass(frozen=True)
class _Reading:
    """A way to read an object's four numbers: what they would be, and what to do then."""

    form: str
    cure: str


_SIZES = _Reading("[x, y, width, height]", "")
_CORNERS = _Reading(
    "two corners, [x1, y1, x2, y2]", "write x2 - x1 and y2 - y1 in place of x2 and y2"
)
_SIDES = _Reading(
    "[left, right, top, bottom]", "write [left, top, right - left, bottom - top]"
)  # fmt: skip
_SWAPPED = _Reading("y before x", "swap x and y, and width and height")
_SWAPPED_CORNERS = _Reading(
    "two corners with y before x, [y1, x1, y2, x2]", "write [x1, y1, x2 - x1, y2 - y1]"
)
_CENTRES = _Reading(
    "[centre x, centre y, width, height]",
    "take half the width from x, and half the height from y",
)  # fmt: skip

# Of readings that fit equally well the first is named.
_OF_BOXES = (_SIZES, _CORNERS, _SIDES, _SWAPPED, _SWAPPED_CORNERS, _CENTRES)
_OF_OTHERS = (_SIZES, _SWAPPED)


def _edges(reading: _Reading, box: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Return left, top, right and bottom of boxes of four numbers each (float64 [4, n])."""
    a, b, c, d = box
    if reading is _CORNERS:
        return a, b, c, d
    if reading is _SIDES:
        return a, c, b, d
    if reading is _SWAPPED:
        return b, a, b + d, a + c
    if reading is _SWAPPED_CORNERS:
        return b, a, d, c
    if reading is _CENTRES:
        return a - c / 2, b - d / 2, a + c / 2, b + d / 2
    return a, b, a + c, b + d


def _fits(reading: _Reading, box: Floats, size: Floats, slack: float) -> Bools:
    """Say which boxes (float64 [4, n]) lie in images of width and height `size` ([2, n])."""
    left, top, right, bottom = _edges(reading, box)
    width, height = size
    slack_x, slack_y = slack + _SLACK * width, slack + _SLACK * height
    inside = (left >= -slack_x) & (right <= width + slack_x)
    inside &= (top >= -slack_y) & (bottom <= height + slack_y)
    fits: Bools = inside & (left < right) & (top < bottom)
    return fits


# How far an object reaches, 1 being its image's far edge: bins of 1/64, and one for all beyond 32.
_BINS = 32 * 64


@dataclass
class _Tally:
    """Counts of boxes of one type.

    Attributes:
        readings: the ways to read them.
        seen: how many there are.
        fitting: for each reading, how many lie in their image.
        tiny: how many are narrower and lower than a pixel.
        unit: how many lie within 0..1.
        fitting_unit: for each reading, how many of those do so if their image did.
        reach: a histogram of how far they reach.
        least: of each of the four numbers.
        greatest: of each of the four numbers.
        smallest_side: of an image, in pixels.
    """

    readings: tuple[_Reading, ...]
    seen: int = 0
    fitting: dict[_Reading, int] = field(default_factory=dict)
    tiny: int = 0
    unit: int = 0
    fitting_unit: dict[_Reading, int] = field(default_factory=dict)
    reach: NDArray[np.int64] = field(default_factory=lambda: np.zeros(_BINS + 1, np.int64))
    least: Floats = field(default_factory=lambda: np.full(4, np.inf))
    greatest: Floats = field(default_factory=lambda: np.full(4, -np.inf))
    smallest_side: float = np.inf

    def add(self, box: Floats, size: Floats) -> None:
        """Count boxes (float64 [4, n]) in images of width and height `size` ([2, n])."""
        if not box.size:
            return
        self.seen += box.shape[1]
        is_unit = ((box >= -_SLACK) & (box <= _UNIT)).all(axis=0)
        self.unit += int(is_unit.sum())
        ones = np.ones((2, int(is_unit.sum())))
        for reading in self.readings:
            fitting = _fits(reading, box, size, _SLACK_PIXELS).sum()
            self.fitting[reading] = self.fitting.get(reading, 0) + int(fitting)
            fitting = _fits(reading, box[:, is_unit], ones, 0).sum()
            self.fitting_unit[reading] = self.fitting_unit.get(reading, 0) + int(fitting)
        self.tiny += int((box[2:].max(axis=0) < 1).sum())
        reach = ((box[:2] + box[2:]) / size).max(axis=0)
        bins = np.clip(np.ceil(reach * 64), 0, _BINS).astype(np.int64)
        self.reach += np.bincount(bins, minlength=_BINS + 1)
        self.least = np.minimum(self.least, box.min(axis=1))
        self.greatest = np.maximum(self.greatest, box.max(axis=1))
        self.smallest_side = min(self.smallest_side, float(size.min()))

    def join(self, other: _Tally) -> None:
        """Count what another tally counted, too."""
        for reading in self.readings:
            for mine, its in (
                (self.fitting, other.fitting),
                (self.fitting_unit, other.fitting_unit),
            ):
                mine[reading] = mine.get(reading, 0) + its.get(reading, 0)
        self.seen += other.seen
        self.tiny += other.tiny
        self.unit += other.unit
        self.reach = self.reach + other.reach
        self.least = np.minimum(self.least, other.least)
        self.greatest = np.maximum(self.greatest, other.greatest)
        self.smallest_side = min(self.smallest_side, other.smallest_side)

    def outside(self, reading: _Reading = _SIZES) -> int:
        """Return how many would reach out of their image."""
        return self.seen - self.fitting.get(reading, 0)

    def cause(self) -> _Reading | None:
        """Return the reading that explains the boxes which reach out of their image."""
        best = min(self.readings[1:], key=self.outside)
        return best if self.outside(best) * _EXPLAINED <= self.outside() else None

    def usual_reach(self) -> float:
        """Return how far all objects reach but a hundredth."""
        total = np.cumsum(self.reach)
        return float(np.searchsorted(total, 0.99 * self.seen)) / 64


@dataclass(frozen=True)
class Findings:
    """What is odd about the boxes of an export, in sentences.

    Attributes:
        warnings: what may be meant so.
        errors: what cannot be.
    """

    warnings: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


class Plausibility:
    """Sees each object of an export, and says what is odd about all of them."""

    def __init__(self) -> None:
        """Begin with no object."""
        self._boxes: dict[tuple[str, bool], list[tuple[float, ...]]] = {}
        self._tallies: dict[tuple[str, bool], _Tally] = {}
        self._turned: dict[str, dict[str, None]] = {}

    def see(self, item: object, read: Annotation | Reason, image: IndexedImage) -> None:
        """Look at an item that was read as `read`.

        Args:
            item: as it stands in its cell.
            read: what it was read as; items dropped for their type, label or form are passed over.
            image: which it is an object of.
        """
        found = _drawn_box(item, read)
        if found is None or min(found[1][2:]) <= 0:
            return
        item_type, box = found
        size = (image.width, image.height)
        key = (item_type, image.orientation >= _SIDEWAYS)
        if key[1] and not _fits(_SIZES, np.array([box]).T, np.array([size]).T, _SLACK_PIXELS)[0]:
            self._turned.setdefault(item_type, {})[image.source] = None
        waiting = self._boxes.setdefault(key, [])
        waiting.append((*box, *size))
        if len(waiting) == _SEEN_AT_ONCE:
            self._count(key)

    def _count(self, key: tuple[str, bool]) -> None:
        values = np.array(self._boxes.pop(key), dtype=np.float64).T
        is_box = key[0] == boxes.DIALECT.item_type
        tally = self._tallies.setdefault(key, _Tally(_OF_BOXES if is_box else _OF_OTHERS))
        tally.add(values[:4], values[4:])

    def findings(self) -> Findings:
        """Say what is odd about the objects of each type."""
        for key in list(self._boxes):
            self._count(key)
        found = Findings()
        for item_type in sorted({item_type for item_type, _ in self._tallies}):
            readings = next(t.readings for key, t in self._tallies.items() if key[0] == item_type)
            tally = _Tally(readings)
            if (upright := self._tallies.get((item_type, False))) is not None:
                tally.join(upright)
            if (turned := self._tallies.get((item_type, True))) is not None:
                if _were_drawn_unturned(turned, tally):
                    images = self._turned.get(item_type, {})
                    found.warnings.append(_turned_sentence(item_type, turned, images))
                else:
                    tally.join(turned)
            for sentence, is_error in _judge(item_type, tally):
                (found.errors if is_error else found.warnings).append(sentence)
        return found


def _drawn_box(item: object, read: Annotation | Reason) -> tuple[str, Sequence[float]] | None:
    """Return an item's type and its box as it was drawn."""
    if isinstance(read, Reason) and read not in (Reason.EMPTY_BOX, Reason.OUTSIDE_IMAGE):
        return None
    if not isinstance(item, Mapping):
        return None
    dialect = item_type_to_dialect(item.get("type"))
    if dialect is None:
        return None
    if isinstance(read, Annotation) and not read.shape.clipped:
        return dialect.item_type, read.shape.bbox
    box = dialect.data_to_box(item.get("data"))
    return None if box is None else (dialect.item_type, box)


def _were_drawn_unturned(turned: _Tally, upright: _Tally) -> bool:
    """Whether objects of images that EXIF turned sideways fit the stored pixels better.

    Those are as wide as the upright image is high. So are images whose objects have y before x: but
    then in all images, turned or not.
    """
    outside, unturned = turned.outside(), turned.outside(_SWAPPED)
    if outside < 2 or outside < _SUSPECT * turned.seen or unturned * _EXPLAINED > outside:
        return False
    return upright.outside() * turned.seen * 3 <= outside * upright.seen or not upright.seen


def _turned_sentence(item_type: str, turned: _Tally, images: Iterable[str]) -> str:
    names = list(images)
    return (
        f"{item_type}: of {turned.seen} objects on images that EXIF turned sideways "
        f"{turned.outside()} reach out of the upright image, and "
        f"{turned.outside(_SWAPPED)} out of the stored pixels: they were drawn on the image as it "
        "is stored, not as browsers show it. Draw them anew, turn their coordinates, or remove the "
        f"orientation from the files: {list_first(names, _LISTED)}."
    )


def _judge(item_type: str, tally: _Tally) -> Iterator[tuple[str, bool]]:
    """Yield what is odd about objects of one type, and whether it cannot be meant so."""
    few = max(_LEAST, _SUSPECT * tally.seen)
    if tally.unit >= few:
        yield _unit_sentence(item_type, tally), 2 * tally.unit > tally.seen
    elif tally.tiny >= few:
        yield _tiny_sentence(item_type, tally), 2 * tally.tiny > tally.seen
    elif (outside := tally.outside()) >= few:
        is_error = 2 * outside > tally.seen >= _LEAST_OF_ALL
        if (cause := tally.cause()) is not None:
            yield _cause_sentence(item_type, tally, cause), is_error
        elif outside >= _MANY * tally.seen:
            yield _scale_sentence(item_type, tally), is_error
    elif tally.seen >= _LEAST_OF_ALL and tally.usual_reach() <= _FAR:
        yield _near_sentence(item_type, tally), False
    if tally.seen >= _LEAST_OF_ALL and (tally.least == tally.greatest).all():
        box = [float(number) for number in tally.least]
        yield f"{item_type}: all {tally.seen} objects have the same box, {box}.", False


def _unit_sentence(item_type: str, tally: _Tally) -> str:
    order = ""
    best = max(tally.readings, key=lambda reading: tally.fitting_unit[reading])
    if tally.fitting_unit[best] > tally.fitting_unit[_SIZES]:
        order = (
            f" Read as {best.form} {tally.fitting_unit[best]} lie in 0..1 as a whole, as "
            f"{_SIZES.form} {tally.fitting_unit[_SIZES]}: then {best.cure}, too."
        )
    return (
        f"{item_type}: {tally.unit} of {tally.seen} objects have coordinates from 0 to 1; they "
        "look like fractions of the image, where pixels are expected. Multiply x and width by the "
        f"image's width, y and height by its height.{order}"
    )


def _tiny_sentence(item_type: str, tally: _Tally) -> str:
    return (
        f"{item_type}: {tally.tiny} of {tally.seen} objects are smaller than a pixel; are width "
        "and height fractions or percent of the image? They are expected in pixels."
    )


def _cause_sentence(item_type: str, tally: _Tally, cause: _Reading) -> str:
    return (
        f"{item_type}: {tally.fitting[_SIZES]} of {tally.seen} objects fit in their image as "
        f"{_SIZES.form}, as they are read; {tally.fitting[cause]} of {tally.seen} would as "
        f"{cause.form}. If that is what they are, {cause.cure}."
    )


def _scale_sentence(item_type: str, tally: _Tally) -> str:
    reach = tally.usual_reach()
    head = (
        f"{item_type}: {tally.outside()} of {tally.seen} objects reach out of their image, and no "
        "other order of their numbers explains it."
    )
    if not 1 < reach <= _LARGEST_SCALE:
        return f"{head} Do they belong to these images?"
    thousandths = ", or thousandths of the image" if 800 < tally.greatest.max() <= 1010 else ""
    return (
        f"{head} They would fit if the images were {reach:.1f} times as large: are they pixels of "
        f"the images before those were made smaller{thousandths}? Divide by the factor, image by "
        "image, or give the images in the size on which they were annotated."
    )


def _near_sentence(item_type: str, tally: _Tally) -> str:
    reach = tally.usual_reach()
    head = (
        f"{item_type}: no object of {tally.seen} reaches beyond {reach:.0%} of its image's width "
        "or height"
    )
    greatest = float(tally.greatest.max())
    if _PERCENT_IN_USE <= greatest <= _PERCENT < tally.smallest_side:
        return (
            f"{head}, nor a coordinate beyond {greatest:g}; they look like percent of the image, "
            "where pixels are expected. Multiply x and width by a hundredth of the image's width, "
            "y and height by a hundredth of its height."
        )
    return (
        f"{head}; are they pixels of images {1 / max(reach, 1 / 64):.1f} times smaller? If the "
        "objects do lie in the upper left, all is well."
    )
