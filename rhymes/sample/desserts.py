"""Desserts: a pot of yoghurt, a slice of apple tart."""

from __future__ import annotations

import numpy as np

from rhymes.sample.arithmetic import (
    Bools,
    between,
    length,
    mixed,
    ramp,
    random_unit,
    rgb,
    somewhere,
    turns_to_unit,
    wave,
)
from rhymes.sample.crockery import put_plate
from rhymes.sample.relief import Material, Relief

_FRUITS = (0xA3163A, 0x5E2350, 0xD9822B, 0xB52A2A)
_POTS = (0xF4F4F4, 0xF4F4F4, 0xD9E4EE, 0x3F6FA8, 0xC9D8B0, 0xE6B3BE)


def draw_yaourt(relief: Relief) -> None:
    """Draw an opened pot of yoghurt with fruit in it; the pot is part of the dish."""
    rng = relief.rng
    radius = 29.0
    if rng.random() < 0.4:
        _put_lid(relief, radius)
    spot = relief.whole()
    distance = length(spot.u, spot.v) / np.float32(radius)
    pot = rgb(int(rng.choice(_POTS)))
    lip = ramp(np.abs(distance - np.float32(0.93)), 0.07, 0.02)
    wall = np.asarray(9 - 4 * ramp(distance, 0.9, 0.8) + 2 * lip, np.float32)
    relief.put(spot, distance < 1, pot, wall, gloss=0.5)
    _put_curd(relief, radius * 0.84)


def _put_lid(relief: Relief, radius: float) -> None:
    """Put the peeled foil lid beside the pot (no part of the dish)."""
    rng = relief.rng
    spot = relief.spot(radius * 0.95, radius * 1.1)
    wrinkle = relief.cloud(spot)
    distance = (
        length(spot.u, spot.v * np.float32(1.15)) / np.float32(radius * 0.62) + 0.05 * wrinkle
    )
    foil = Material(rgb(0xB9BCC0), rgb(0x8E9196), mottle=0.1, gloss=0.8)
    print_ = rgb(int(rng.choice(_FRUITS)))
    albedo = relief.tinted(spot, foil, distance)
    if rng.random() < 0.5:
        albedo = mixed(albedo, print_, ramp(np.abs(distance - 0.5), 0.3, 0.2) * np.float32(0.7))
    height = np.asarray(3 + 2.4 * wrinkle, np.float32)
    relief.put(spot, distance < 1, albedo, height, gloss=0.7, dish=False)


def _put_curd(relief: Relief, radius: float) -> None:
    """Fill the pot: white curd stirred with fruit."""
    rng = relief.rng
    spot = relief.spot(0, radius)
    distance = length(spot.u, spot.v) / np.float32(radius)
    warp = relief.swell(spot)
    fruit = rgb(int(rng.choice(_FRUITS)))
    tint = mixed(rgb(0xFBF8F1), fruit, between(rng, 0.0, 0.16))
    swirl = wave(distance * np.float32(between(rng, 1.6, 2.6)) + warp * np.float32(0.8))
    share = ramp(swirl + 0.3 * warp, 0.25, 0.95) * np.float32(between(rng, 0.0, 0.55))
    albedo = mixed(tint, fruit, share)
    height = np.asarray(6 + 0.7 * swirl * ramp(distance, 1, 0.7) + 0.5 * warp, np.float32)
    relief.put(spot, distance < 1, albedo, height, gloss=0.45)
    if rng.random() < 0.6:
        jam = Material(fruit, fruit * np.float32(0.6), mottle=0.2, gloss=0.7)
        at = somewhere(rng, radius * 0.35)
        size = radius * between(rng, 0.28, 0.5)
        relief.put_oval(at, size * (1 + 0.8j), random_unit(rng), jam, 2, rough=0.25, base=6)


def draw_tarte_aux_pommes(relief: Relief) -> None:
    """Draw a slice of tart: pastry, rows of apple slices, a raised crust, glaze."""
    rng = relief.rng
    put_plate(relief, 44)
    long = between(rng, 66, 74)
    spread = between(rng, 0.066, 0.086)  # half the slice's angle in turns
    tip = complex(-long * 0.55, 0)
    spot = relief.box_spot(0, 42 + 38j)
    x, y = spot.u - np.float32(tip.real), spot.v
    side = turns_to_unit(spread)
    off_side = np.abs(y) * np.float32(side.real) - x * np.float32(side.imag)
    far = length(x, y)
    inside = (off_side < 0) & (far < long)
    pastry = Material(rgb(0xC98F45), rgb(0x9C5F22), mottle=0.15, gloss=0.12)
    albedo = relief.tinted(spot, pastry, ramp(far, long * 0.86, long))
    crust = ramp(far, long * 0.86, long * 0.9) * ramp(far, long, long * 0.96)
    height = 2 + 5 * ramp(off_side, 0, -1.5) + 3.5 * crust
    relief.put(spot, inside, albedo, np.asarray(height, np.float32), gloss=0.15)
    apples = np.zeros_like(relief.dish)
    apples[spot.window] = inside & (off_side < -0.8) & (far < long * 0.87)
    for row in (0.76, 0.58, 0.4, 0.22):
        _put_row(relief, tip, long * row, spread, apples)


def _put_row(
    relief: Relief,
    tip: complex,
    far: float,
    spread: float,
    kept: Bools,
) -> None:
    """Put a row of overlapping apple slices at one distance from the tip, where they are `kept`."""
    rng = relief.rng
    step = 4.6 / (far * 6.283)
    turns = -spread - step
    while turns < spread + step:
        axis = turns_to_unit(turns)
        spot = relief.oval_spot(tip + axis * far, 8.4 + 4.6j, axis)
        distance = length(spot.u / np.float32(8.2), spot.v / np.float32(4.4))
        peel = ramp(distance, 0.62, 1.0)
        ripe = mixed(rgb(0xF3D98C), rgb(0xE8B957), float(rng.random()))
        albedo = mixed(ripe, rgb(0xA8621E), peel * np.float32(between(rng, 0.6, 0.95)))
        height = 7 + 1.6 * np.sqrt(np.maximum(1 - distance * distance, 0)) + spot.v * 0.22
        inside = (distance < 1) & kept[spot.window]
        relief.put(spot, inside, albedo, np.asarray(height, np.float32), gloss=0.5)
        turns += step
