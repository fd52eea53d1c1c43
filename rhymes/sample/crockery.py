"""Crockery of the sample: plates, bowls, pots, glasses, cutlery and napkins."""

from __future__ import annotations

import numpy as np

from rhymes.sample.arithmetic import (
    Bools,
    Floats,
    between,
    box_distance,
    length,
    mixed,
    ramp,
    rgb,
    wave,
)
from rhymes.sample.relief import Material, Relief, Spot

_CHINA = (0xF4F2EC, 0xF4F2EC, 0xFAF8F4, 0xEFE7D6, 0xDDE4E8)
_BANDS = (0x2F4F7F, 0x6B7F4A, 0x8A8A8A, 0xA5503C, 0x3A3A3C, 0xC9A24A)
_BOWLS = (0xF4F2EC, 0xF4F2EC, 0xE8E2D4, 0x8FA9B5, 0xB8C2A8)
_PAPERS = (0xF6F4EF, 0xF6F4EF, 0xE9C46A, 0xB5C99A, 0xC8553D, 0x9DB4C0)
STEEL = Material(rgb(0xC6C9CC), rgb(0x8B8E92), mottle=0.03, gloss=0.9)


def put_plate(relief: Relief, radius: float, *, deep: float = 0.0) -> None:
    """Put a plate around the middle: a flat well, a slope, a rim, perhaps with a coloured band."""
    rng = relief.rng
    spot = relief.whole()
    distance = length(spot.u, spot.v) / np.float32(radius)
    china = rgb(int(rng.choice(_CHINA)))
    albedo = china
    if rng.random() < 0.45:
        band = rgb(int(rng.choice(_BANDS)))
        at, wide = between(rng, 0.86, 0.97), between(rng, 0.01, 0.035)
        line = ramp(np.abs(distance - np.float32(at)), wide + 0.015, wide)
        albedo = mixed(china, band, line * np.float32(between(rng, 0.5, 0.95)))
    well = 0.7
    rise = 2.6 * ramp(distance, well, well + 0.1) + 2.0 * ramp(distance, well + 0.06, 1)
    rise += deep * ramp(distance, 0.5, 0.8) - 2.2 * ramp(distance, 0.965, 1.0)
    foot = 0.5 * ramp(np.abs(distance - np.float32(well - 0.02)), 0.02, 0.0)
    height = np.asarray(1.5 + rise - foot, np.float32)
    relief.put(spot, distance < 1, albedo, height, gloss=0.55, dish=False)


def put_bowl(relief: Relief, radius: float, *, dish: bool) -> None:
    """Put a bowl or a ramekin around the middle: a round wall with a hollow inside."""
    colour = rgb(int(relief.rng.choice(_BOWLS)))
    spot = relief.whole()
    distance = length(spot.u, spot.v) / np.float32(radius)
    wall = np.float32(2.4 / radius)
    lip = 1 - np.minimum(np.abs(distance - (1 - wall)) / wall, 1)
    hollow = ramp(distance, 0.45, 1 - 2.4 / radius)
    height = np.asarray(2 + 8 * hollow + 1.6 * lip, np.float32)
    shade = 0.72 + 0.28 * ramp(distance, 0.3, 1)
    relief.put(spot, distance < 1, colour * shade, height, gloss=0.5, dish=dish)


def put_sauce(relief: Relief, radius: float) -> None:
    """Put a little pot of ketchup, mustard or mayonnaise around the middle (not a dish)."""
    put_bowl(relief, radius, dish=False)
    sauce = int(relief.rng.choice((0xA81E12, 0xC99A1E, 0xEFE3B0, 0x5C3A22)))
    material = Material(rgb(sauce), mottle=0.03, gloss=0.5)
    inner = radius - 3.2
    relief.put_oval(0, inner * (1 + 1j), 1, material, 1.2, flat=True, base=5.0, dish=False)
    relief.put_oval(inner * 0.15, inner * (0.5 + 0.3j), 1, material, 1.0, rough=0.3, dish=False)


def put_glass(relief: Relief, radius: float) -> None:
    """Put a tumbler of water around the middle: seen from above it is mostly its rim."""
    rng = relief.rng
    spot = relief.whole()
    distance = length(spot.u, spot.v) / np.float32(radius)
    tint = rgb(int(rng.choice((0xE8F2F4, 0xE8F2F4, 0xCFE3DA, 0xC9DDEE, 0xE2D3B8))))
    rim = ramp(np.abs(distance - np.float32(0.94)), 0.07, 0.03)
    base = ramp(np.abs(distance - np.float32(0.66)), 0.07, 0.0)
    opacity = 0.16 + 0.62 * rim + 0.3 * base
    if rng.random() < 0.5:
        facets = _spokes(spot, 5) * ramp(distance, 0.66, 0.9) * np.float32(0.25)
        opacity = opacity + facets * (1 - rim)
    opacity = np.asarray(np.clip(opacity, 0, 1), np.float32)
    height = np.asarray(
        3 + 5 * ramp(distance, 0.55, 0.94) - 3 * ramp(distance, 0.95, 1), np.float32
    )
    gloss = np.asarray(0.35 + 0.6 * rim, np.float32)
    relief.put(spot, distance < 1, tint, height, gloss=gloss, opacity=opacity, dish=False)


def _spokes(spot: Spot, pairs: int) -> Floats:
    """Return a pattern of rays around the middle, 0..1, without measuring an angle."""
    far = np.maximum(np.abs(spot.u) + np.abs(spot.v), 1e-3)
    corner = np.where(spot.u < 0, 2 - spot.v / far, spot.v / far) / 4  # a turn, roughly
    return np.asarray(wave(corner.astype(np.float32) * pairs * 2) * 0.5 + 0.5, np.float32)


def put_fork(relief: Relief) -> None:
    """Put a fork along the x axis, its tines to the right."""
    spot = relief.box_spot(0, 59 + 8j)
    u, v = spot.u, spot.v
    inside = _handle(u, v) | (box_distance(u - 33, v, 7 + 6.6j, 5) < 0)
    tines = (np.abs(u - 46) < 9.5) & (np.abs(v) < 6.6)
    inside |= tines & (wave(v / np.float32(3.9) + np.float32(0.5)) > -0.25)
    _put_steel(relief, spot, inside, np.abs(v) * np.float32(0.14))


def put_knife(relief: Relief) -> None:
    """Put a knife along the x axis, its blade to the right."""
    spot = relief.box_spot(0, 60 + 5j)
    u, v = spot.u, spot.v
    blade = (u > 2) & (v < 3.6) & (v > -3.4) & (v > -3.4 + (u - 44) * (u - 44) * 0.02 * (u > 44))
    inside = _handle(u, v) | (blade & (u < 58))
    _put_steel(relief, spot, inside, np.abs(v - 3) * np.float32(0.12))


def put_spoon(relief: Relief) -> None:
    """Put a spoon along the x axis, its bowl to the right."""
    spot = relief.box_spot(0, 59 + 10j)
    hollow = length((spot.u - 42) / np.float32(14), spot.v / np.float32(8.6))
    inside = _handle(spot.u, spot.v) | (hollow < 1)
    _put_steel(relief, spot, inside, 1 - np.minimum(hollow, 1) * np.float32(0.9))


def _handle(u: Floats, v: Floats) -> Bools:
    """Return a handle that narrows towards the head."""
    wide = 2.0 + 1.9 * ramp(u, 0, -52)
    return np.asarray((box_distance(u + 10, v, 47 + 6j, 3) < 0) & (np.abs(v) < wide), np.bool_)


def _put_steel(relief: Relief, spot: Spot, inside: Bools, hollow: Floats) -> None:
    """Cover a silhouette with polished steel; `hollow` is 0 where it is highest."""
    sheen = 0.85 + 0.25 * wave(spot.u / np.float32(90) + spot.v / np.float32(23))
    albedo = relief.tinted(spot, STEEL, np.clip(hollow, 0, 1)) * sheen
    height = np.asarray(2.6 - 1.5 * np.clip(hollow, 0, 1), np.float32)
    relief.put(spot, inside, albedo, height, gloss=STEEL.gloss, dish=False)


def put_napkin(relief: Relief, half: complex) -> None:
    """Put a folded paper napkin around the middle, with an embossed border."""
    rng = relief.rng
    spot = relief.box_spot(0, half + (3 + 3j))
    bend = relief.cloud(spot) * np.float32(0.5)
    edge = box_distance(spot.u + bend, spot.v, half, 1)
    dots = wave(spot.u / np.float32(2.6)) * wave(spot.v / np.float32(2.6))
    border = ramp(np.abs(edge + 5), 2.6, 1.8)
    fold = ramp(np.abs(spot.v - np.float32(half.imag * between(rng, -0.4, 0.4))), 1.0, 0.0)
    height = 1.2 + 0.35 * dots * border - 0.7 * fold + 0.3 * relief.cloud(spot)
    paper = Material(rgb(int(rng.choice(_PAPERS))), mottle=0.03, gloss=0.0)
    albedo = relief.tinted(spot, paper, edge)
    relief.put(spot, edge < 0, albedo, np.asarray(height, np.float32), gloss=0.0, dish=False)
