"""The classes of the sample: eight dishes, and unlabelled things that stand beside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rhymes.sample.arithmetic import Generator, between
from rhymes.sample.crockery import (
    put_bowl,
    put_fork,
    put_glass,
    put_knife,
    put_napkin,
    put_plate,
    put_sauce,
    put_spoon,
)
from rhymes.sample.desserts import draw_tarte_aux_pommes, draw_yaourt
from rhymes.sample.mains import draw_pates_bolognaise, draw_poisson_riz, draw_steak_frites
from rhymes.sample.relief import Relief
from rhymes.sample.starters import draw_pain, draw_salade_verte, draw_tomates_mozzarella

Disc = tuple[complex, float]


@dataclass(frozen=True)
class Thing:
    """Something that can stand on a tray; lengths in points.

    Attributes:
        name: the dish's category; empty for what is not annotated.
        draw: paints it on an empty relief.
        reach: half the side of the relief that it needs.
        discs: the room that it takes, as discs (place, radius) in its own frame.
        height: how far its shadow falls.
        weight: how often it is served (dishes only).
        loose: how much of the room it may share with others (0 none, 1 all).
        turn: it lies along the tray's shorter side, give or take so many turns; 0.5: anyhow.
    """

    name: str
    draw: Callable[[Relief], None]
    reach: float
    discs: tuple[Disc, ...]
    height: float
    weight: float = 1.0
    loose: float = 0.12
    turn: float = 0.5


def _round(radius: float) -> tuple[Disc, ...]:
    return ((0j, radius),)


def _row(half: float, radius: float) -> tuple[Disc, ...]:
    return tuple((half * step / 2 + 0j, radius) for step in range(-2, 3))


def _draw_empty_plate(relief: Relief) -> None:
    put_plate(relief, between(relief.rng, 42, 54))


def _draw_empty_bowl(relief: Relief) -> None:
    put_bowl(relief, between(relief.rng, 28, 38), dish=False)


def _draw_sauce(relief: Relief) -> None:
    put_sauce(relief, between(relief.rng, 14, 18))


def _draw_glass(relief: Relief) -> None:
    put_glass(relief, between(relief.rng, 20, 25))


def _draw_napkin(relief: Relief) -> None:
    put_napkin(relief, complex(between(relief.rng, 30, 38), between(relief.rng, 17, 36)))


DISHES = (
    Thing("PAIN", draw_pain, 42, _row(16, 15), 9, loose=0.35),
    Thing("PATES_BOLOGNAISE", draw_pates_bolognaise, 54, _round(53), 6),
    Thing("POISSON_RIZ", draw_poisson_riz, 56, _round(55), 5),
    Thing("SALADE_VERTE", draw_salade_verte, 52, _round(41), 12),
    Thing("STEAK_FRITES", draw_steak_frites, 56, _round(55), 5),
    Thing("TARTE_AUX_POMMES", draw_tarte_aux_pommes, 46, _round(44), 5, weight=0.65),
    Thing("TOMATES_MOZZARELLA", draw_tomates_mozzarella, 46, _round(45), 5),
    Thing("YAOURT", draw_yaourt, 62, _round(29), 14, loose=0.2),
)

EMPTY_PLATE = Thing("", _draw_empty_plate, 57, _round(52), 5)
EMPTY_BOWL = Thing("", _draw_empty_bowl, 39, _round(36), 10)
SAUCE = Thing("", _draw_sauce, 19, _round(17), 9)
GLASS = Thing("", _draw_glass, 26, _round(24), 16)
NAPKIN = Thing("", _draw_napkin, 56, _row(24, 22), 1.2, loose=0.6, turn=0.03)
FORK = Thing("", put_fork, 60, _row(48, 6), 3, loose=0.3, turn=0.04)
KNIFE = Thing("", put_knife, 62, _row(48, 5), 2.6, loose=0.3, turn=0.04)
SPOON = Thing("", put_spoon, 60, _row(46, 7), 3, loose=0.3, turn=0.04)


def random_meal(rng: Generator) -> list[Thing]:
    """Choose what stands on a tray, in the order in which it is put there.

    One tray in fourteen has no dish at all; the others have two to six, of which two main courses
    at most and seldom twice the same.
    """
    clean = rng.random() < 1 / 14
    dishes = [] if clean else _random_dishes(rng)
    cutlery = [thing for thing in (FORK, KNIFE, SPOON) if rng.random() < 0.62]
    under = [NAPKIN] if rng.random() < 0.4 else []
    chance = 0.75 if clean else 0.2
    empty = [thing for thing in (EMPTY_PLATE, EMPTY_BOWL, SAUCE) if rng.random() < chance]
    if rng.random() < 0.6:
        empty.append(GLASS)
    # The largest first, while there is room; bread last, so that it may lie on a plate's rim.
    crockery = sorted(dishes + empty, key=lambda thing: (len(thing.discs), -thing.discs[0][1]))
    return under + crockery + cutlery


def _random_dishes(rng: Generator) -> list[Thing]:
    count = int(rng.choice((2, 3, 3, 4, 4, 5, 5, 5, 6, 6)))
    left = {thing.name: thing.weight for thing in DISHES}
    dishes: list[Thing] = []
    while len(dishes) < count:
        mark = float(rng.random()) * sum(left.values())
        for thing in DISHES:
            mark -= left[thing.name]
            if mark < 0:
                break
        dishes.append(thing)
        left[thing.name] *= 0.12
        if sum(dish.discs[0][1] > 50 for dish in dishes) == 2:
            left.update({dish.name: 0.0 for dish in DISHES if dish.discs[0][1] > 50})
    return dishes
