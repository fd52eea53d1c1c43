"""Data sets of any size for measurements: a few small drawn images, repeated."""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

CLASSES = ("bowl", "cup", "fork", "plate")
_BASES = 20
_POINTS = 16


@dataclass(frozen=True)
class BenchImage:
    """A square JPEG and its objects: class number from 0, and a ring of points in pixels."""

    jpeg: bytes
    size: int
    objects: list[tuple[int, list[list[float]]]]

    @property
    def sha256(self) -> str:
        """Of the JPEG's bytes."""
        return hashlib.sha256(self.jpeg).hexdigest()


def repeated_images(count: int, size: int, objects: int, seed: int = 1) -> Iterator[BenchImage]:
    """Yield images that look alike but have different bytes: each has its number as a comment."""
    generator = np.random.default_rng(seed)
    bases = [_draw_image(generator, size, objects) for _ in range(_BASES)]
    for number in range(count):
        base = bases[number % _BASES]
        comment = b"%012d" % number
        # JPEG's segment COM (0xFFFE): its length counts the two bytes that hold it.
        segment = b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment
        yield BenchImage(base.jpeg[:2] + segment + base.jpeg[2:], size, base.objects)


def save_image(folder: Path, image: BenchImage) -> str:
    """Write <SHA-256>.jpg; return its name."""
    name = f"{image.sha256}.jpg"
    (folder / name).write_bytes(image.jpeg)
    return name


def _draw_image(generator: np.random.Generator, size: int, objects: int) -> BenchImage:
    coarse = generator.integers(90, 170, (size // 8, size // 8, 3), np.uint8)
    image = Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    drawn = []
    for _ in range(objects):
        ring = _draw_ring(generator, size)
        draw.polygon([(x, y) for x, y in ring], fill=tuple(generator.integers(0, 256, 3).tolist()))
        drawn.append((int(generator.integers(len(CLASSES))), ring))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=75)
    return BenchImage(buffer.getvalue(), size, drawn)


def _draw_ring(generator: np.random.Generator, size: int) -> list[list[float]]:
    """Points around a centre, inside the image: 10 to 40 % of its width across."""
    radius = size * generator.uniform(0.05, 0.2)
    x, y = generator.uniform(radius, size - radius, 2)
    radii = radius * generator.uniform(0.8, 1.0, _POINTS)
    angles = [2 * math.pi * step / _POINTS for step in range(_POINTS)]
    return [
        [round(x + r * math.cos(angle), 2), round(y + r * math.sin(angle), 2)]
        for angle, r in zip(angles, radii.tolist(), strict=True)
    ]
