"""The background of a sample image: table, tray, and sometimes a paper mat on the tray."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rhymes.sample.arithmetic import (
    Floats,
    Generator,
    between,
    box_distance,
    length,
    mixed,
    noise,
    ramp,
    rgb,
    wave,
)
from rhymes.sample.lighting import Light, lit

_WOODS = (0xB98A5A, 0xA5713F, 0x7D5433, 0xD2AC7C, 0x5F4230)
_PLASTICS = (
    0x5B6670, 0x8C4A38, 0x3F6B73, 0xC9C4B8, 0x6E5A4B, 0x2F3A45, 0x9AA7A0, 0x7B8F5A, 0xB9A98A,
)  # fmt: skip
_TABLES = (0xE4E0D8, 0xB7B3AC, 0x8E9296, 0x4A4C50, 0xD9CBB4, 0x9FB2B8)
_CORNER = 22.0  # radius of the tray's corners
_MATS = (0xF2EFE6, 0xE8DCC2, 0xDDE6E4, 0xF0D9CF)


@dataclass(frozen=True)
class Tray:
    """Where the tray lies: its middle in points from the image's, its axis, its half sides."""

    middle: complex
    axis: complex
    half: complex


@dataclass
class _Surface:
    """Colour, height and gloss of the ground, all over the image."""

    albedo: Floats
    height: Floats
    gloss: Floats

    def cover(self, share: Floats, albedo: Floats, gloss: float) -> None:
        """Lay a colour over the ground where `share` is 1, with soft edges in between."""
        self.albedo = mixed(self.albedo, albedo, share)
        self.gloss = self.gloss + (np.float32(gloss) - self.gloss) * share


def ground_to_light(rng: Generator, tray: Tray, light: Light, pixels: int, scale: float) -> Floats:
    """Draw the table with the tray on it.

    Returns:
        Linear light, float32 [3, pixels, pixels].
    """
    across = (np.arange(pixels, dtype=np.float32) + 0.5) / np.float32(scale)
    middle = tray.middle + pixels / scale / 2 * (1 + 1j)
    x, y = across[None, :] - np.float32(middle.real), across[:, None] - np.float32(middle.imag)
    c, s = np.float32(tray.axis.real), np.float32(tray.axis.imag)
    u, v = x * c + y * s, y * c - x * s
    surface = _table(rng, u, v, scale)
    fall = light.towards / light.height * 4 * tray.axis.conjugate()
    shaded = box_distance(u + np.float32(fall.real), v + np.float32(fall.imag), tray.half, _CORNER)
    surface.albedo *= 1 - np.float32(light.shadow) * ramp(shaded, 5, -5)
    _lay_tray(rng, surface, u, v, tray.half, scale)
    if rng.random() < 0.3:
        _lay_mat(rng, surface, u, v, tray.half, scale)
    return lit(surface.albedo, surface.height, surface.gloss, light, scale)


def _table(rng: Generator, u: Floats, v: Floats, scale: float) -> _Surface:
    zero = np.zeros_like(u)
    if rng.random() < 0.4:
        albedo = _wood(rng, v, u, scale)
    else:
        colour = rgb(int(rng.choice(_TABLES)))
        speckle = noise(rng, u.shape, 2.2 * scale, 2) * np.float32(between(rng, 0.02, 0.22))
        albedo = np.asarray(np.clip(colour * (1 + speckle), 0, 1), np.float32)
    return _Surface(albedo, zero, zero + np.float32(0.08))


def _wood(rng: Generator, along: Floats, across: Floats, scale: float) -> Floats:
    """Draw wood whose grain runs along the first coordinate."""
    colour = rgb(int(rng.choice(_WOODS)))
    shape = along.shape
    bend = noise(rng, shape, 120 * scale, 2)
    fibre = _stretched(rng, along, across)
    rings = wave(
        across / np.float32(between(rng, 9, 22)) + bend * np.float32(between(rng, 0.5, 1.6))
    )
    bright = 1 + np.float32(0.13) * rings + np.float32(0.16) * fibre
    bright += np.float32(0.08) * noise(rng, shape, 60 * scale, 2)
    return np.asarray(np.clip(colour * bright, 0, 1), np.float32)


def _stretched(rng: Generator, along: Floats, across: Floats) -> Floats:
    """Return noise that is long along one coordinate, by looking up a small table."""
    table = noise(rng, (64, 512), 2, 1)
    row, column = along / 26 + 32, across * np.float32(0.9) + 256
    above, left = np.floor(row), np.floor(column)
    down, right = row - above, column - left
    i, j = above.astype(np.intp) % 64, left.astype(np.intp) % 512
    k, m = (i + 1) % 64, (j + 1) % 512
    upper = table[i, j] + (table[i, m] - table[i, j]) * right
    lower = table[k, j] + (table[k, m] - table[k, j]) * right
    return np.asarray(upper + (lower - upper) * down, np.float32)


def _lay_tray(
    rng: Generator, surface: _Surface, u: Floats, v: Floats, half: complex, scale: float
) -> None:
    """Lay a tray with a raised rim on the table."""
    edge = box_distance(u, v, half, _CORNER)
    gloss = between(rng, 0.05, 0.35)
    if rng.random() < 0.35:
        albedo = _wood(rng, u, v, scale)
    else:
        colour = rgb(int(rng.choice(_PLASTICS)))
        bright = 1 + np.float32(between(rng, 0.01, 0.16)) * noise(rng, u.shape, 1.6 * scale, 1)
        bright += np.float32(0.05) * noise(rng, u.shape, 90 * scale, 2)
        albedo = np.asarray(np.clip(colour * bright, 0, 1), np.float32)
    surface.cover(np.clip(0.5 - edge * np.float32(scale), 0, 1), albedo, gloss)
    crest = np.float32(between(rng, 2.5, 5))
    surface.height = surface.height + crest * (ramp(edge, 0.5, -3) - ramp(edge, -4, -11))


def _lay_mat(
    rng: Generator, surface: _Surface, u: Floats, v: Floats, half: complex, scale: float
) -> None:
    """Lay a paper mat with a printed border on the tray."""
    paper, ink = rgb(int(rng.choice(_MATS))), rgb(int(rng.choice(_PLASTICS)))
    inner = half - between(rng, 16, 26) * (1 + 1j)
    edge = box_distance(u, v, inner, 2)
    line = ramp(np.abs(edge + 7), 1.6, 0.9)
    if rng.random() < 0.5:
        dots = length(wave(u / np.float32(11)) - 1, wave(v / np.float32(11)) - 1)
        line = np.maximum(line, ramp(dots, 0.5, 0.2) * (edge < -12))
    albedo = mixed(paper, ink, line * np.float32(between(rng, 0.3, 0.8)))
    surface.cover(np.clip(0.5 - edge * np.float32(scale), 0, 1), albedo, 0.02)
