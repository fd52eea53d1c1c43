"""Drawn photos with copies of them, and with others that differ in one object."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SIZE = 320


def scene(seed: int, objects: int = 12, background: int | None = None) -> Image.Image:
    """Draw a scene of coloured discs; `background` gives several scenes the same ground."""
    ground = np.random.default_rng(seed if background is None else background)
    coarse = ground.integers(60, 200, (10, 10, 3)).astype(np.uint8)
    image = Image.fromarray(coarse).resize((SIZE, SIZE), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    generator = np.random.default_rng(seed)
    for _ in range(objects):
        x, y = generator.integers(0, SIZE, 2).tolist()
        radius = int(generator.integers(12, 40))
        colour = tuple(generator.integers(20, 210, 3).tolist())
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    return image.filter(ImageFilter.GaussianBlur(1))


def encoded(image: Image.Image, quality: int = 60) -> Image.Image:
    """Encode an image as a JPEG and decode it."""
    data = io.BytesIO()
    image.save(data, "JPEG", quality=quality)
    return Image.open(data).convert("RGB")


def cut(image: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    """Cut fractions of its sides off."""
    width, height = image.size
    edges = (width * left, height * top, width * (1 - right), height * (1 - bottom))
    return image.crop((round(edges[0]), round(edges[1]), round(edges[2]), round(edges[3])))


def brightened(image: Image.Image, factor: float) -> Image.Image:
    """Multiply an image's values."""
    return image.point(lambda value: min(round(value * factor), 255))
