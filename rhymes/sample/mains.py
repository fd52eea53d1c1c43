"""Main courses: steak and chips, fish and rice, spaghetti bolognese."""

from __future__ import annotations

from math import sqrt

import numpy as np

from rhymes.sample.arithmetic import (
    Floats,
    between,
    box_distance,
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
from rhymes.sample.starters import put_basil, put_leaf

_CHIPS = (0xF2C652, 0xEBB640, 0xF6D470, 0xE3A232)
_PASTA = Material(rgb(0xE8C873), rgb(0xC79A45), mottle=0, gloss=0.25)


def draw_steak_frites(relief: Relief) -> None:
    """Draw a grilled steak beside a heap of chips."""
    rng = relief.rng
    put_plate(relief, 55)
    heap = complex(between(rng, -2, 3), between(rng, 11, 14))
    for step in range(60):
        near = 1 - step / 60
        at = heap + complex(between(rng, -33, 33), between(rng, -14, 17)) * sqrt(near)
        _put_chip(relief, at, 2.5 + 7 * (1 - near))
    _put_steak(relief, complex(between(rng, -4, 4), between(rng, -18, -14)))
    if rng.random() < 0.35:
        for _ in range(5):
            put_leaf(relief, -33 - 4j + somewhere(rng, 5), between(rng, 5, 8), 3)


def _put_chip(relief: Relief, at: complex, base: float) -> None:
    rng = relief.rng
    long, wide = between(rng, 7, 12.5), between(rng, 1.7, 2.3)
    axis = turns_to_unit(between(rng, -0.14, 0.14) + (0.25 if rng.random() < 0.3 else 0))
    spot = relief.box_spot(at, complex(long, wide + 1.2), axis)
    bend = spot.v + spot.u * spot.u * np.float32(between(rng, -0.006, 0.006))
    distance = box_distance(spot.u, bend, complex(long, wide), 0.7)
    ends = ramp(np.abs(spot.u), long * 0.72, long) * np.float32(between(rng, 0.1, 0.8))
    fried = mixed(rgb(int(rng.choice(_CHIPS))), rgb(0xA9641F), np.clip(ends, 0, 1))
    albedo = fried * (1 + 0.07 * relief.grain(spot))
    height = base + 3.2 * ramp(distance, 0, -1.3)
    relief.put(spot, distance < 0, albedo, np.asarray(height, np.float32), gloss=0.16)


def _put_steak(relief: Relief, at: complex) -> None:
    rng = relief.rng
    long, wide = between(rng, 30, 37), between(rng, 15.5, 19)
    axis = turns_to_unit(between(rng, -0.04, 0.04))
    spot = relief.box_spot(at, complex(long * 1.25, wide * 1.5), axis)
    u, v = spot.u / np.float32(long), spot.v / np.float32(wide * 1.0)
    distance = length(u, v + 0.22 * u) + 0.11 * relief.cloud(spot)
    meat = Material(rgb(0x6E3D22), rgb(0x8A4A30), mottle=0.3, gloss=0.3)
    albedo = relief.tinted(spot, meat, ramp(distance, 0.82, 1))
    grill = ramp(
        wave((spot.u * np.float32(0.8) + spot.v) / np.float32(between(rng, 8, 11))), 0.35, 0.8
    )
    albedo = mixed(albedo, rgb(0x24120A), grill * ramp(distance, 0.98, 0.85) * np.float32(0.8))
    height = 2.5 + 6 * (1 - distance * distance * distance * distance) - 0.8 * grill
    height = height + 0.5 * relief.grain(spot)
    relief.put(spot, distance < 1, albedo, np.asarray(height, np.float32), gloss=meat.gloss)
    if rng.random() < 0.4:
        butter = Material(rgb(0xF2DE8A), rgb(0xE3C562), mottle=0.03, gloss=0.4)
        relief.put_oval(at + somewhere(rng, 7), 5.2 + 4.6j, 1, butter, 1.8, flat=True)


def draw_poisson_riz(relief: Relief) -> None:
    """Draw a golden fillet of fish beside a mound of rice, with lemon and herbs."""
    rng = relief.rng
    put_plate(relief, 55)
    _put_rice(relief, complex(between(rng, -3, 3), between(rng, 13, 16)))
    at = complex(between(rng, -3, 3), between(rng, -18, -15))
    _put_fillet(relief, at)
    for _ in range(int(rng.integers(1, 3))):
        _put_lemon(relief, at + complex(between(rng, -20, 20), between(rng, 2, 9)))
    for _ in range(26):
        herb = Material(rgb(int(rng.choice((0x3F7A2A, 0x2F5F20)))), mottle=0.1)
        place = complex(between(rng, -32, 32), between(rng, -26, 26))
        relief.put_oval(place, 1.3 + 0.7j, random_unit(rng), herb, 0.5, dish=False)


def _put_rice(relief: Relief, at: complex) -> None:
    """Put a mound of rice: grains in all directions on a dome."""
    rng = relief.rng
    mound = Material(rgb(0xEFE3C2), rgb(0xD2C090), mottle=0.1, gloss=0.05)
    long, wide = between(rng, 29, 34), between(rng, 17, 20)
    relief.put_oval(at, complex(long, wide), 1, mound, 6, rough=0.06, base=2)
    tint = rgb(int(rng.choice((0xFBF6E6, 0xFBF6E6, 0xF8E6A8))))
    for _ in range(190):
        off = somewhere(rng, 1)
        place = at + complex(off.real * (long - 1.5), off.imag * (wide - 1.5))
        grain = Material(tint * np.float32(between(rng, 0.86, 1)), mottle=0, gloss=0.12)
        relief.put_oval(place, 2.9 + 1.05j, random_unit(rng), grain, 0.6)


def _put_fillet(relief: Relief, at: complex) -> None:
    """Put a fillet: pointed at one end, with flakes across it, browned."""
    rng = relief.rng
    long, wide = between(rng, 33, 38), between(rng, 13, 16)
    spot = relief.box_spot(at, complex(long, wide) * 1.15, turns_to_unit(between(rng, -0.03, 0.03)))
    u, v = spot.u / np.float32(long), spot.v / np.float32(wide)
    taper = 0.62 + 0.38 * ramp(u, 0.9, -0.3)
    distance = np.sqrt(u * u * u * u + (v / taper) * (v / taper)) + 0.06 * relief.cloud(spot)
    flesh = Material(rgb(0xEFCF92), rgb(0xB9823C), mottle=0.1, gloss=0.2)
    albedo = relief.tinted(spot, flesh, distance * distance)
    browned = ramp(relief.cloud(spot) + relief.grain(spot) * 0.5, 0.0, 0.9) * np.float32(0.55)
    albedo = mixed(albedo, rgb(0xB8742A), browned)
    flakes = wave(np.asarray(u * 5.5 + np.abs(v) * 0.9, np.float32))
    albedo = mixed(albedo, rgb(0xF6EAD0), ramp(flakes, 0.3, 0.9) * np.float32(0.35))
    height = 2.5 + 5.5 * (1 - distance * distance) + 0.5 * flakes - 0.8 * ramp(np.abs(v), 0.1, 0)
    relief.put(spot, distance < 1, albedo, np.asarray(height, np.float32), gloss=flesh.gloss)


def _put_lemon(relief: Relief, at: complex) -> None:
    """Put a slice of lemon with its segments."""
    rng = relief.rng
    radius = between(rng, 7.5, 9.5)
    rind = Material(rgb(0xF7EFB5), rgb(0xEFC51E), mottle=0.03, gloss=0.35)
    relief.put_oval(at, radius * (1 + 1j), 1, rind, 1.4, flat=True)
    start = float(rng.random())
    for step in range(8):
        axis = turns_to_unit(start + step / 8)
        pulp = Material(rgb(0xF2D544), rgb(0xF5E27E), mottle=0.08, gloss=0.5)
        relief.put_oval(at + axis * (radius * 0.48), radius * (0.32 + 0.155j), axis, pulp, 0.2)


def draw_pates_bolognaise(relief: Relief) -> None:
    """Draw a nest of spaghetti with meat sauce in the middle and cheese on it."""
    rng = relief.rng
    put_plate(relief, 53, deep=3)
    spot = relief.whole()
    distance = length(spot.u, spot.v) / np.float32(40) + 0.06 * relief.cloud(spot)
    bed = relief.tinted(spot, Material(rgb(0xC99F4E), mottle=0.1), distance)
    dome = np.asarray(2 + 6 * np.sqrt(np.maximum(1 - distance * distance, 0)), np.float32)
    relief.put(spot, distance < 1, bed, dome, gloss=0.2)
    for step in range(70):
        _put_strand(relief, dome, 1.8 * step / 70)
    _put_meat(relief, somewhere(rng, 4))
    for _ in range(int(rng.integers(0, 40))):
        cheese = Material(rgb(0xF6E7B4), mottle=0, gloss=0.1)
        relief.put_oval(somewhere(rng, 18), 1.9 + 0.6j, random_unit(rng), cheese, 0.5)
    for _ in range(int(rng.integers(0, 3))):
        put_basil(relief, somewhere(rng, 8), between(rng, 6, 8))


def _put_strand(relief: Relief, dome: Floats, lift: float) -> None:
    """Put one strand: an arc of a circle somewhere on the nest."""
    rng = relief.rng
    radius, around = between(rng, 9, 25), somewhere(rng, 20)
    spot = relief.spot(around, radius + 2)
    off = np.abs(length(spot.u, spot.v) - np.float32(radius)) / np.float32(1.25)
    cut = random_unit(rng) * radius
    kept = spot.u * np.float32(cut.real) + spot.v * np.float32(cut.imag) > -radius * radius * 0.55
    inside = (off < 1) & kept & relief.dish[spot.window]
    albedo = relief.tinted(spot, _PASTA, np.asarray(off * off, np.float32)) * np.float32(
        between(rng, 0.85, 1.05)
    )
    height = dome[spot.window] + np.float32(lift) + 1.3 * np.sqrt(np.maximum(1 - off * off, 0))
    relief.put(spot, inside, albedo, np.asarray(height, np.float32), gloss=_PASTA.gloss, dish=False)


def _put_meat(relief: Relief, at: complex) -> None:
    """Put a ladle of meat sauce: a red pool with crumbs of meat in it."""
    rng = relief.rng
    radius = between(rng, 20, 25)
    sauce = Material(rgb(0x9A3418), rgb(0xB4521F), mottle=0.25, gloss=0.4)
    relief.put_oval(at, radius * (1 + 0.9j), random_unit(rng), sauce, 3.5, rough=0.16, base=8)
    for _ in range(70):
        crumb = Material(
            rgb(int(rng.choice((0x6E2F18, 0x7E3A1E, 0x5A2414, 0xA03A1C)))), mottle=0.25
        )
        place = at + somewhere(rng, radius * 0.85)
        size = between(rng, 1.2, 2.8)
        relief.put_oval(place, size * complex(1, 0.75), random_unit(rng), crumb, 1.4, rough=0.2)
