"""Starters and bread: green salad, tomatoes with mozzarella, a roll."""

from __future__ import annotations

import numpy as np

from rhymes.sample.arithmetic import (
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
from rhymes.sample.crockery import put_bowl, put_plate
from rhymes.sample.relief import Material, Relief

_LEAVES = (0x4F8A2B, 0x6FA63A, 0x93BF4D, 0xB7D46C, 0x3C7324, 0x84B043)
_BASIL = Material(rgb(0x2F6B24), rgb(0x1E4A18), mottle=0.15, gloss=0.25)
_CRUSTS = (0xC98A3E, 0xB5742D, 0xD7A055, 0xA9662A)


def draw_salade_verte(relief: Relief) -> None:
    """Draw a bowl full of ruffled leaves; the bowl is part of the dish."""
    rng = relief.rng
    radius = 40.0
    put_bowl(relief, radius, dish=True)
    relief.put_oval(0, 36 + 36j, 1, Material(rgb(0x4A7A2A), mottle=0.35), 2, base=4)
    for step in range(38):
        near = 1 - step / 38  # the outer leaves first, the heart last
        at = random_unit(rng) * (31 * near * between(rng, 0.75, 1.0))
        put_leaf(relief, at, between(rng, 8.5, 14), 4 + 7 * (1 - near))
    for _ in range(int(rng.choice((0, 0, 2, 3, 4)))):
        radish = Material(rgb(0xF3E6E6), rgb(0xC03058), mottle=0.03, gloss=0.3)
        size = between(rng, 3.2, 4.4)
        relief.put_oval(
            somewhere(rng, 24), size * (1 + 0.9j), random_unit(rng), radish, 0.8, flat=True
        )


def put_leaf(relief: Relief, at: complex, radius: float, base: float) -> None:
    """Put a ruffled salad leaf with a pale rib."""
    rng = relief.rng
    spot = relief.spot(at, radius * 1.25, random_unit(rng))
    ruffle = relief.cloud(spot)
    frill = relief.grain(spot)
    u, v = spot.u / np.float32(radius), spot.v / np.float32(radius * between(rng, 0.62, 0.9))
    distance = length(u, v) + 0.2 * ruffle + 0.1 * frill
    colour = rgb(int(rng.choice(_LEAVES)))
    rib = ramp(np.abs(v + 0.12 * ruffle), 0.16, 0.03) * ramp(u, 0.9, -0.2)
    veins = ramp(
        np.abs(wave(np.asarray(u * 2.2 + np.abs(v) * 1.5, np.float32))), 0.22, 0.0
    ) * np.float32(0.35)
    albedo = mixed(colour, rgb(0xDCE9A8), np.clip(rib * 0.8 + veins, 0, 1))
    bright = 0.72 + 0.4 * np.clip(distance, 0, 1) + 0.14 * frill
    height = base + 2.6 * (1 - distance * distance) + 1.5 * ruffle + 1.0 * frill * distance
    shine = np.asarray(0.16 + 0.1 * ruffle, np.float32)
    tinted = np.asarray(np.clip(albedo * bright, 0, 1), np.float32)
    relief.put(spot, distance < 1, tinted, np.asarray(height, np.float32), gloss=shine)


def draw_tomates_mozzarella(relief: Relief) -> None:
    """Draw slices of tomato and mozzarella in turn, in a ring or a row, with basil."""
    rng = relief.rng
    put_plate(relief, 45)
    ring = rng.random() < 0.6
    count = int(rng.integers(8, 11)) if ring else int(rng.integers(6, 9))
    count += count % 2 if ring else 0
    start = float(rng.random())
    places = []
    for step in range(count):
        if ring:
            places.append(turns_to_unit(start + step / count) * between(rng, 18.5, 20.5))
        else:
            along = (step - (count - 1) / 2) * 52 / count
            places.append(complex(along, between(rng, -2.5, 2.5) + (step % 2) * 5 - 2.5))
    for step, at in enumerate(places):
        radius = between(rng, 12.0, 14.5)
        (put_tomato if step % 2 else put_mozzarella)(relief, at, radius, 2.2 + 0.25 * step)
    if ring:
        put_mozzarella(relief, somewhere(rng, 2), between(rng, 9.5, 12.5), 4.5)
    for _ in range(int(rng.integers(3, 6))):
        put_basil(relief, somewhere(rng, 16 if ring else 24), between(rng, 5.5, 8.5))
    for _ in range(int(rng.integers(4, 14))):
        drop = Material(rgb(0x2A1712), mottle=0.05, gloss=0.6)
        size = between(rng, 0.6, 1.5)
        relief.put_oval(somewhere(rng, 30), size * (1 + 1j), 1, drop, 0.4, dish=False)


def put_tomato(relief: Relief, at: complex, radius: float, base: float) -> None:
    """Put a slice of tomato: skin, flesh, and chambers with seeds."""
    rng = relief.rng
    red = rgb(int(rng.choice((0xC8281C, 0xD03A22, 0xB81F1A))))
    slice_ = Material(red, rgb(0x8E120E), mottle=0.07, gloss=0.4)
    relief.put_oval(at, radius * (1 + 1j), random_unit(rng), slice_, 1.8, flat=True, base=base)
    chambers = int(rng.integers(4, 7))
    start = float(rng.random())
    for step in range(chambers):
        axis = turns_to_unit(start + step / chambers)
        pulp = Material(rgb(0xDE7038), rgb(0xB93A20), mottle=0.1, gloss=0.55)
        middle = at + axis * (radius * 0.54)
        relief.put_oval(middle, radius * (0.24 + 0.17j), axis, pulp, -0.4, rough=0.12)
        for _ in range(3):
            seed = Material(rgb(0xEFCB86), mottle=0.0, gloss=0.3)
            place = middle + somewhere(rng, radius * 0.13)
            relief.put_oval(place, 0.95 + 0.6j, random_unit(rng), seed, 0.3)


def put_mozzarella(relief: Relief, at: complex, radius: float, base: float) -> None:
    """Put a slice of mozzarella: white, soft, a little irregular."""
    rng = relief.rng
    cheese = Material(rgb(0xF7F3E6), rgb(0xDAD0B4), mottle=0.03, gloss=0.28)
    radii = radius * complex(1, between(rng, 0.86, 1.0))
    relief.put_oval(at, radii, random_unit(rng), cheese, 2.4, rough=0.05, flat=True, base=base)


def put_basil(relief: Relief, at: complex, long: float) -> None:
    """Put a pointed leaf of basil with its rib."""
    axis = random_unit(relief.rng)
    spot = relief.box_spot(at, long * (1 + 0.5j), axis)
    u, v = spot.u / np.float32(long), spot.v / np.float32(long * 0.5)
    distance = np.abs(v) + u * u
    rib = ramp(np.abs(v), 0.14, 0.04)
    albedo = mixed(relief.tinted(spot, _BASIL, distance), rgb(0x6C9A4C), rib * np.float32(0.7))
    height = relief.level(spot) + 1 + 1.6 * ramp(np.abs(v), 0.0, 0.6) - 0.8 * u * u
    relief.put(spot, distance < 1, albedo, np.asarray(height, np.float32), gloss=0.3)


def draw_pain(relief: Relief) -> None:
    """Draw a roll or a short baguette with cuts in its crust and flour on it."""
    rng = relief.rng
    long, wide = between(rng, 24, 36), between(rng, 14.5, 18)
    spot = relief.box_spot(0, complex(long, wide) * 1.08)
    u, v = spot.u / np.float32(long), spot.v / np.float32(wide)
    cloud = relief.cloud(spot)
    distance = np.sqrt(length(u * u, v * v)) * 0.45 + length(u, v) * 0.55 + 0.03 * cloud
    crust = Material(rgb(int(rng.choice(_CRUSTS))), rgb(0x7A4216), mottle=0.08, gloss=0.14)
    albedo = relief.tinted(spot, crust, distance * distance * distance)
    height = 15 * np.sqrt(np.maximum(1 - distance * distance, 0)) + 0.5 * cloud
    cuts = int(rng.integers(2, 5))
    lean = between(rng, 0.3, 0.9)
    for step in range(cuts):
        along = u - np.float32((step - (cuts - 1) / 2) * 1.3 / cuts) - np.float32(lean * 0.6) * v
        gash = ramp(np.abs(along), 0.11, 0.05) * ramp(np.abs(v), 0.78, 0.55)
        albedo = mixed(albedo, rgb(0xEBCB94), gash * np.float32(0.85))
        height = height - 1.8 * gash
    flour = ramp(relief.grain(spot) + cloud * 0.6, 0.2, 1.1) * np.float32(between(rng, 0, 0.75))
    albedo = mixed(albedo, rgb(0xF3E8D2), flour * ramp(distance, 1.0, 0.5))
    relief.put(spot, distance < 1, albedo, np.asarray(height, np.float32), gloss=crust.gloss)
