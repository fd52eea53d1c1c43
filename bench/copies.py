"""How many copies of real images are found, and what is wrongly joined: `python -m bench copies`.

Each image gets a copy, made in one way after the other, and is looked for among all originals and
copies. The exports lie in ../shared/datasets; the sample's trays and a fixed camera's images, which
differ in what lies on one and the same tray, are drawn. In two minutes: up to
100 images of each.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from bench.workspace import ROOT
from rhymes.images.copies import find_copies
from rhymes.images.copy_distance import CUTOFF
from rhymes.images.fingerprint import image_to_fingerprint
from stages.sample import SampleParams, save_sample

DATASETS = ROOT.parent / "shared" / "datasets"
IMAGES = 100
_QUALITY = 90
_SIZE = 320
_PATCH = 72  # pixels
_TURN = Image.Transpose

Change = Callable[[Image.Image], Image.Image]


def main() -> None:
    """Print a table: a row for each way to make copies, a column for each set of images."""
    sets = dict(_load_sets())
    originals = {name: _fingerprints(images) for name, images in sets.items()}
    joined = {name: _pairs(prints) for name, prints in originals.items()}
    print(f"Recall at a distance of up to {CUTOFF}, by how the copy was made")
    print("| copy |", " | ".join(f"{name} ({len(images)})" for name, images in sets.items()), "|")
    print("| --- |" + " ---: |" * len(sets))
    wrong = dict.fromkeys(sets, 0)
    for change_name, change in CHANGES.items():
        cells = []
        for name, images in sets.items():
            copies = _fingerprints(_encode(change(image), _QUALITY) for image in images)
            count = len(images)
            found = _pairs(np.concatenate([originals[name], copies]))
            twins = {(index, index + count) for index in range(count)}
            same = {(index % count, other % count) for index, other in found - twins}
            wrong[name] += len({(min(pair), max(pair)) for pair in same} - joined[name])
            cells.append(f"{len(found & twins) / count:.2f}")
        print(f"| {change_name} |", " | ".join(cells), "|", flush=True)
    print("| pairs of different images joined, all rows |", *_cells(wrong.values()))
    unchanged = [len(pairs) for pairs in joined.values()]
    print("| pairs joined among the unchanged images |", *_cells(unchanged))


def _cells(values: Iterable[int]) -> list[str]:
    return [f"{value} |" for value in values]


def _load_sets() -> Iterator[tuple[str, list[Image.Image]]]:
    for folder in sorted(DATASETS.glob("*")):
        paths = sorted((folder / "images").iterdir())
        yield folder.name, [_load(path) for path in paths[:: -(-len(paths) // IMAGES)]]
    with tempfile.TemporaryDirectory() as temporary:
        save_sample(Path(temporary), SampleParams(seed=1, images=IMAGES, size=_SIZE), processes=1)
        trays = [_load(path) for path in sorted((Path(temporary) / "images").iterdir())]
    yield "trays", trays
    yield "fixed camera", list(_fixed_camera(trays))


def _load(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


def _fixed_camera(trays: list[Image.Image]) -> Iterator[Image.Image]:
    """Put three to five round pieces of other trays on the first one; add a sensor's noise."""
    generator = np.random.default_rng(1)
    mask = Image.new("L", (_PATCH, _PATCH))
    ImageDraw.Draw(mask).ellipse((2, 2, _PATCH - 3, _PATCH - 3), fill=255)
    mask = mask.filter(ImageFilter.GaussianBlur(1))
    for _ in trays:
        image = trays[0].copy()
        for _ in range(generator.integers(3, 6)):
            left, top = generator.integers(60, _SIZE - 60 - _PATCH, 2).tolist()
            tray = trays[int(generator.integers(1, len(trays)))]
            piece = tray.crop((left, top, left + _PATCH, top + _PATCH))
            place = generator.integers(0, _SIZE - _PATCH, 2).tolist()
            image.paste(piece, (place[0], place[1]), mask)
        noise = generator.normal(0, 3, (_SIZE, _SIZE, 3))
        yield Image.fromarray((np.asarray(image) + noise).clip(0, 255).astype(np.uint8))


def _fingerprints(images: Iterable[Image.Image]) -> NDArray[np.uint8]:
    return np.stack([image_to_fingerprint(image) for image in images])


def _pairs(fingerprints: NDArray[np.uint8]) -> set[tuple[int, int]]:
    return {(copy.first, copy.second) for copy in find_copies(fingerprints)}


def _encode(image: Image.Image, quality: int) -> Image.Image:
    data = io.BytesIO()
    image.save(data, "JPEG", quality=quality)
    return Image.open(data).convert("RGB")


def _scale(image: Image.Image, factor: float) -> Image.Image:
    return image.resize((round(image.width * factor), round(image.height * factor)))


def _cut(image: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    """Cut fractions of the sides off."""
    width, height = image.size
    edges = (width * left, height * top, width * (1 - right), height * (1 - bottom))
    return image.crop((round(edges[0]), round(edges[1]), round(edges[2]), round(edges[3])))


def _brighten(image: Image.Image, factor: float) -> Image.Image:
    return image.point(lambda value: min(round(value * factor), 255))


def _all_at_once(image: Image.Image, cut: float, factor: float) -> Image.Image:
    changed = _brighten(_cut(_scale(image, 0.75), cut, cut, cut, cut), factor)
    return _encode(changed.transpose(_TURN.FLIP_LEFT_RIGHT), 60)


CHANGES: dict[str, Change] = {
    "encoded anew, quality 30": lambda image: _encode(image, 30),
    "scaled to 50 %": lambda image: _scale(image, 0.5),
    "scaled to 130 %": lambda image: _scale(image, 1.3),
    "cut by 5 %, half on each side": lambda image: _cut(image, 0.025, 0.025, 0.025, 0.025),
    "cut by 5 % on each side": lambda image: _cut(image, 0.05, 0.05, 0.05, 0.05),
    "cut by 5 % at the right and below": lambda image: _cut(image, 0, 0, 0.05, 0.05),
    "cut by 5 % at the left": lambda image: _cut(image, 0.05, 0, 0, 0),
    "brightness +20 %": lambda image: _brighten(image, 1.2),
    "brightness -20 %": lambda image: _brighten(image, 0.8),
    "mirrored": lambda image: image.transpose(_TURN.FLIP_LEFT_RIGHT),
    "turned by a quarter": lambda image: image.transpose(_TURN.ROTATE_90),
    "scaled to 75 %, cut by 5 %, -20 %, mirrored": lambda image: _all_at_once(image, 0.025, 0.8),
    "scaled to 75 %, cut by 5 %, +20 %, mirrored": lambda image: _all_at_once(image, 0.025, 1.2),
    "scaled to 75 %, cut by 10 %, -20 %, mirrored": lambda image: _all_at_once(image, 0.05, 0.8),
}
"""How copies are made; each is encoded anew at the end."""
