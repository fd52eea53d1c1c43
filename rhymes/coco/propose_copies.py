"""Propose pairs of images that show the same thing, for somebody to look at: `rhymes copies`.

    rhymes copies                                      # -> copies/proposed.csv, sheet.html
    tail -n +2 copies/proposed.csv >> data/groups.csv  # after deleting what is wrong
    rhymes copies --distance one.jpg other.jpg         # the distance that the report states

What is turned by any angle, cut by half or photographed again from the side is beyond fingerprints
(rhymes/images/copy_distance.py). Here points of each image (SIFT) are held against those of the
images that share most of its visual words (tf-idf), and a pair is proposed where enough points lie
on each other by one affine map (RANSAC). That is no part of the pipeline: it proposes, and whoever
looks at it decides. Two photos of one desk are proposed as well, since they do share the desk.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jinja2 import Environment
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from rhymes.coco.copies import GROUP_COLUMNS, load_groups
from rhymes.common.arguments import command_parser
from rhymes.common.csv import save_rows
from rhymes.common.errors import InputError
from rhymes.common.files import save_text
from rhymes.export.fetched import load_image_index
from rhymes.images.copy_distance import CUTOFF, fingerprints_to_distance
from rhymes.images.fingerprint import image_to_fingerprint

_SIDE = 480  # pixels, of the images that are compared
_POINTS = 400
_WORDS = 1024
_TRAINED_ON = 60_000  # points, of which words are made
_CANDIDATES = 8
_RATIO = 0.75  # Lowe, Distinctive Image Features from Scale-Invariant Keypoints, IJCV 2004, 7.1
_TOLERANCE = 4.0  # pixels
_SHOWN_SIDE = 320

Floats = NDArray[Any]


@dataclass(frozen=True, eq=False)
class _Points:
    """Points of an image: float32 [points, 2], x and y; their SIFT descriptors [points, 128]."""

    places: Floats
    descriptors: Floats


@dataclass(frozen=True)
class Proposal:
    """Two images that may show the same thing.

    Attributes:
        first: an image's name in the export.
        second: another one's.
        points: how many lie on each other.
    """

    first: str
    second: str
    points: int

    @property
    def group(self) -> str:
        """A name for the two, which no other pair has."""
        digest = hashlib.sha256(f"{self.first}\n{self.second}".encode()).hexdigest()
        return f"copies-{digest[:12]}"


def main(arguments: Sequence[str]) -> int:
    """Run the command; return its exit code."""
    given = _parse(arguments)
    if given.distance:
        distance = fingerprints_to_distance(*map(_load_fingerprint, given.distance))
        print(f"{distance} (copies: up to {CUTOFF})")
    else:
        _propose(given)
    return 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = command_parser("copies", *(__doc__ or "").split("\n\n", 1))
    parser.add_argument("--export", type=Path, default=Path("data/export"), help="with index.csv")
    parser.add_argument("--images", type=Path, default=Path("data/images"))
    parser.add_argument("--groups", type=Path, default=Path("data/groups.csv"), help="known ones")
    parser.add_argument("--out", type=Path, default=Path("copies"), help="a folder (copies)")
    parser.add_argument("--points", type=int, default=25, help="that must lie on each other (25)")
    parser.add_argument("--distance", nargs=2, type=Path, metavar="IMAGE", help="of two files")
    return parser.parse_args(arguments)


def _load_fingerprint(path: Path) -> NDArray[np.uint8]:
    return image_to_fingerprint(_load(path))


def _load(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error}") from None


def _propose(given: argparse.Namespace) -> None:
    index = load_image_index(given.export / "index.csv")
    paths: dict[str, Path] = {}
    seen: set[str] = set()
    for name, image in index.items():
        if image is not None and image.pixels_sha256 not in seen:
            seen.add(image.pixels_sha256)
            paths[name] = given.images / f"{image.sha256}.jpg"
    known = load_groups(given.groups)
    proposals = [
        each
        for each in propose_copies(paths, given.points)
        if not known.get(each.first, set()) & known.get(each.second, set())
    ]
    rows = [(each.group, name) for each in proposals for name in (each.first, each.second)]
    save_rows(given.out / "proposed.csv", GROUP_COLUMNS, rows)
    save_text(given.out / "sheet.html", _proposals_to_html(proposals, paths))
    print(
        f"{len(proposals)} pairs of {len(paths)} images: look at {given.out / 'sheet.html'}, "
        f"delete the wrong ones in {given.out / 'proposed.csv'}, append the rest to {given.groups}"
    )


def propose_copies(paths: dict[str, Path], min_points: int) -> list[Proposal]:
    """Find pairs of images of which many points lie on each other.

    Args:
        paths: name of an image -> its file.
        min_points: in both of them.

    Returns:
        The pairs, those with most points first.
    """
    names = list(paths)
    points = [
        _find_points(_load(paths[name]))
        for name in tqdm(names, desc="points", unit=" images", disable=None)
    ]
    proposals = []
    pairs = _find_candidates(points)
    for one, other in tqdm(pairs, desc="compare", unit=" pairs", disable=None):
        if (count := _count_common_points(points[one], points[other])) >= min_points:
            proposals.append(Proposal(names[one], names[other], count))
    return sorted(proposals, key=lambda each: (-each.points, each.first, each.second))


def _find_points(image: Image.Image) -> _Points:
    image.thumbnail((_SIDE, _SIDE))
    grey = np.asarray(image.convert("L"))
    found, descriptors = cv2.SIFT.create(nfeatures=_POINTS).detectAndCompute(grey, None)
    if not found:
        return _Points(np.empty((0, 2), np.float32), np.empty((0, 128), np.float32))
    places = np.array([point.pt for point in found], np.float32)
    roots = np.sqrt(descriptors / np.maximum(descriptors.sum(axis=1, keepdims=True), 1))
    return _Points(places, roots.astype(np.float32))  # Arandjelovic, Zisserman, CVPR 2012


def _find_candidates(points: Sequence[_Points]) -> list[tuple[int, int]]:
    """Return the pairs of images that share most visual words, each image with eight others."""
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.neighbors import NearestNeighbors

    every = np.concatenate([each.descriptors for each in points])
    if len(points) < 2 or not len(every):
        return []
    chosen = np.random.default_rng(1).permutation(len(every))[:_TRAINED_ON]
    words = min(_WORDS, len(chosen))
    model = MiniBatchKMeans(words, random_state=1, n_init=1, batch_size=4096).fit(every[chosen])
    counts = np.zeros((len(points), words))
    for place, each in enumerate(points):
        if len(each.descriptors):
            counts[place] = np.bincount(model.predict(each.descriptors), minlength=words)
    weights = TfidfTransformer().fit_transform(counts)
    neighbours = min(_CANDIDATES + 1, len(points))
    near = NearestNeighbors(n_neighbors=neighbours, metric="cosine").fit(weights)
    found = near.kneighbors(weights, return_distance=False)
    return sorted(
        {(min(a, b), max(a, b)) for a, row in enumerate(found.tolist()) for b in row if a != b}
    )


def _count_common_points(first: _Points, second: _Points) -> int:
    """Count the points that lie on each other by one affine map, mirrored or not."""
    if min(len(first.places), len(second.places)) < 3:
        return 0
    matches = cv2.BFMatcher().knnMatch(first.descriptors, second.descriptors, k=2)
    good = [pair[0] for pair in matches if pair[0].distance < _RATIO * pair[1].distance]
    if len(good) < 3:
        return 0
    ones = first.places[[match.queryIdx for match in good]]
    others = second.places[[match.trainIdx for match in good]]
    cv2.setRNGSeed(1)
    _, inliers = cv2.estimateAffine2D(ones, others, ransacReprojThreshold=_TOLERANCE)
    return 0 if inliers is None else int(inliers.sum())


_SHEET = """<!doctype html><meta charset="utf-8"><title>Proposed copies</title>
<style>body{font:14px sans-serif}figure{margin:0 0 24px}img{margin-right:8px}</style>
<h1>{{ rows | length }} pairs that may show the same thing</h1>
{% for row in rows %}<figure><figcaption>{{ row.title }}</figcaption>
{% for image in row.images %}<img alt="" src="data:image/jpeg;base64,{{ image }}">{% endfor %}
</figure>{% endfor %}
"""


def _proposals_to_html(proposals: Sequence[Proposal], paths: dict[str, Path]) -> str:
    rows = [
        {
            "title": f"{each.group}: {each.first} and {each.second}, {each.points} points",
            "images": [_to_base64(paths[name]) for name in (each.first, each.second)],
        }
        for each in proposals
    ]
    return Environment(autoescape=True).from_string(_SHEET).render(rows=rows)


def _to_base64(path: Path) -> str:
    image = _load(path)
    image.thumbnail((_SHOWN_SIDE, _SHOWN_SIDE))
    data = io.BytesIO()
    image.save(data, "JPEG", quality=80)
    return base64.b64encode(data.getvalue()).decode("ascii")
