"""Rendering of the sample: light on height maps, cast shadows, and the camera."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from PIL import Image, ImageFilter

from rhymes.sample.arithmetic import (
    Floats,
    Generator,
    between,
    blurred,
    mixed,
    noise,
    norm,
    random_unit,
    rgb,
)
from rhymes.sample.relief import SUPERSAMPLING, Relief

_STEEPEST = 1.6  # slopes are cut here: the side of a thing is not seen from above
_SHADOW_STEPS = (0.8, 1.6, 2.6, 4.0, 6.0, 9.0)  # points towards the light


@dataclass(frozen=True)
class Light:
    """The light over a tray.

    Attributes:
        towards: direction in the plane from which the light comes, length below 1.
        height: the third component of that unit vector.
        sun: colour of the direct light, linear, [3, 1, 1].
        sky: colour of the light from all around, linear, [3, 1, 1].
        shadow: how dark shadows on the tray are, 0..1.
        softness: blur of those shadows, in points.
    """

    towards: complex
    height: float
    sun: Floats
    sky: Floats
    shadow: float
    softness: float


@dataclass(frozen=True)
class Sprite:
    """A lit thing at the image's resolution, ready to be laid on the tray.

    Attributes:
        light: premultiplied linear light, float32 [3, h, w].
        opacity: float32 [h, w] in 0..1.
        dish: coverage by what an annotator would outline, float32 [h, w] in 0..1.
        first: x, y of the first pixel, counted from the thing's middle.
        height: how far its shadow reaches, in points of height.
    """

    light: Floats
    opacity: Floats
    dish: Floats
    first: tuple[int, int]
    height: float


def random_light(rng: Generator) -> Light:
    """Draw a room's light: from a window or a lamp, warm or cold, hard or soft."""
    height = between(rng, 0.62, 0.88)
    warmth = between(rng, -1, 1)
    warm, cold = rgb(0xFFEBCD), rgb(0xDFEEFF)
    tint = mixed(rgb(0xFFFFFF), warm if warmth > 0 else cold, abs(warmth))
    hardness = float(rng.random())
    share = 0.42 + 0.26 * hardness
    exposure = between(rng, 0.80, 1.06)
    return Light(
        towards=random_unit(rng) * sqrt(1 - height * height),
        height=height,
        sun=tint * np.float32(exposure * share / height),
        sky=mixed(rgb(0xFFFFFF), tint, 0.5) * np.float32(exposure * (1 - share)),
        shadow=0.34 + 0.3 * hardness,
        softness=2.2 + 3.2 * (1 - hardness),
    )


def lit(albedo: Floats, height: Floats, gloss: Floats, light: Light, scale: float) -> Floats:
    """Shade a height field.

    Args:
        albedo: float32 [3, h, w].
        height: float32 [h, w] in points.
        gloss: float32 [h, w].
        light: the light.
        scale: pixels per point.

    Returns:
        Linear light, float32 [3, h, w], about 0..1.
    """
    slope_y, slope_x = np.zeros_like(height), np.zeros_like(height)
    slope_y[1:-1] = (height[2:] - height[:-2]) * np.float32(scale / 2)
    slope_x[:, 1:-1] = (height[:, 2:] - height[:, :-2]) * np.float32(scale / 2)
    np.clip(slope_x, -_STEEPEST, _STEEPEST, out=slope_x)
    np.clip(slope_y, -_STEEPEST, _STEEPEST, out=slope_y)
    upright = 1 / np.sqrt(1 + slope_x * slope_x + slope_y * slope_y)
    x, y = np.float32(light.towards.real), np.float32(light.towards.imag)
    up = np.float32(light.height)
    facing = np.maximum((up - slope_x * x - slope_y * y) * upright, 0)
    shine = np.maximum(((1 + up) - slope_x * x - slope_y * y) * upright, 0)
    shine *= 1 / np.sqrt(np.float32(2) + 2 * up)  # cosine to the half vector; the eye is overhead
    for _ in range(5):
        shine *= shine
    reached = _reached(height, light, scale)
    hollow = np.clip((blurred(height, max(2, round(4 * scale))) - height) * 0.16, 0, 0.55)
    out = albedo * ((facing * reached) * light.sun + (1 - hollow) * light.sky)
    out += (gloss * shine * reached) * light.sun
    return np.asarray(out, np.float32)


def _reached(height: Floats, light: Light, scale: float) -> Floats:
    """Return how much of the direct light reaches each place, float32 [h, w] in 0..1."""
    flat = norm(light.towards)
    climb = light.height / flat
    blocked = np.zeros_like(height)
    for step in _SHADOW_STEPS:
        shift = light.towards / flat * step * scale
        seen = _shifted(height, round(shift.real), round(shift.imag))
        np.maximum(blocked, (seen - height - np.float32(step * climb)) * 1.2, out=blocked)
    return np.asarray(1 - 0.85 * np.minimum(blocked, 1), np.float32)


def _shifted(field: Floats, right: int, down: int) -> Floats:
    """Return the field as seen `right` columns and `down` rows further on; 0 beyond its edges."""
    out = np.zeros_like(field)
    rows, columns = field.shape
    to_y, from_y = (
        slice(max(-down, 0), rows - max(down, 0)),
        slice(max(down, 0), rows - max(-down, 0)),
    )
    to_x = slice(max(-right, 0), columns - max(right, 0))
    from_x = slice(max(right, 0), columns - max(-right, 0))
    out[to_y, to_x] = field[from_y, from_x]
    return out


def relief_to_sprite(relief: Relief, light: Light, height: float) -> Sprite:
    """Light a relief, as far as something lies on it, and bring it to the image's resolution."""
    rows, columns = (_used(relief.opacity.max(axis=axis)) for axis in (1, 0))
    albedo, opacity = relief.albedo[:, rows, columns], relief.opacity[rows, columns]
    colour = lit(
        albedo, relief.height[rows, columns], relief.gloss[rows, columns], light, relief.scale
    )
    middle = relief.half // SUPERSAMPLING
    return Sprite(
        light=_reduced(colour * opacity),
        opacity=_reduced(opacity),
        dish=_reduced(relief.dish[rows, columns].astype(np.float32)),
        first=(columns.start // SUPERSAMPLING - middle, rows.start // SUPERSAMPLING - middle),
        height=height,
    )


def _used(line: Floats) -> slice:
    """Return the blocks of supersampled pixels in which a line is not zero, and one around them."""
    places = np.flatnonzero(line)
    first = max(int(places[0]) // SUPERSAMPLING - 1, 0)
    last = min(int(places[-1]) // SUPERSAMPLING + 2, len(line) // SUPERSAMPLING)
    return slice(first * SUPERSAMPLING, last * SUPERSAMPLING)


def _reduced(field: Floats) -> Floats:
    """Average each block of supersampled pixels, in a fixed order of additions."""
    step = SUPERSAMPLING
    total = np.zeros_like(field[..., ::step, ::step])
    for row in range(step):
        for column in range(step):
            total += field[..., row::step, column::step]
    return np.asarray(total / (step * step), np.float32)


def cast_shadow(opacity: Floats, light: Light, height: float, scale: float) -> tuple[Floats, int]:
    """Return the shadow that a thing casts on what lies under it.

    Args:
        opacity: of the thing, float32 [h, w].
        light: the light.
        height: of the thing in points.
        scale: the image's pixels per point.

    Returns:
        The share of light that is lost, float32 [h + 2m, w + 2m], and its margin m in pixels.
    """
    throw = light.towards / light.height * height * scale
    soft = (light.softness * 0.5 + height * 0.22) * scale
    margin = int(norm(throw) + 3 * soft) + 2
    sides = opacity.shape[1] + 2 * margin, opacity.shape[0] + 2 * margin
    levels = Image.fromarray(np.asarray(opacity * 255 + 0.5, np.uint8))
    near, far = Image.new("L", sides), Image.new("L", sides)
    near.paste(levels, (margin, margin))
    far.paste(levels, (margin - round(throw.real), margin - round(throw.imag)))
    contact = np.asarray(near.filter(ImageFilter.GaussianBlur(1.6 * scale)), np.float32) / 255
    thrown = np.asarray(far.filter(ImageFilter.GaussianBlur(soft)), np.float32) / 255
    lost = 1 - (1 - np.float32(light.shadow) * thrown) * (1 - np.float32(0.35) * contact)
    return np.asarray(lost, np.float32), margin


def photograph(scene: Floats, rng: Generator, scale: float) -> Image.Image:
    """Take the image: vignette, white balance, tone, a little blur and sensor noise.

    Args:
        scene: linear light, float32 [3, h, w].
        rng: where the randomness comes from.
        scale: pixels per point.

    Returns:
        An RGB image of the same size.
    """
    rows, columns = scene.shape[1:]
    y = (np.arange(rows, dtype=np.float32)[:, None] + 0.5) / rows - np.float32(
        between(rng, 0.4, 0.6)
    )
    x = (np.arange(columns, dtype=np.float32) + 0.5) / columns - np.float32(between(rng, 0.4, 0.6))
    falloff = 1 - np.float32(between(rng, 0.0, 0.7)) * (x * x + y * y)
    lamp = 1 + np.float32(between(rng, 0.02, 0.14)) * noise(rng, (rows, columns), columns / 2, 1)
    balance = np.array([between(rng, 0.94, 1.06), 1, between(rng, 0.92, 1.08)], np.float32)[
        :, None, None
    ]
    exposed = np.maximum(scene * (falloff * lamp) * balance, 0)
    toned = exposed * (1.12 / (1 + 0.12 * exposed * exposed))
    levels = np.asarray(np.clip(np.sqrt(toned), 0, 1) * 255 + 0.5, np.uint8)
    levels = np.ascontiguousarray(np.moveaxis(levels, 0, 2))
    soft = Image.fromarray(levels).filter(ImageFilter.GaussianBlur(between(rng, 0.1, 0.75) * scale))
    strength = between(rng, 0.6, 4.0)
    grain = rng.integers(0, 256, (2, rows, columns, 3), dtype=np.uint8).astype(np.float32)
    speckle = (grain[0] + grain[1] - 255) * np.float32(strength / 104)  # 104: its deviation
    return Image.fromarray(np.asarray(np.clip(np.asarray(soft) + speckle + 0.5, 0, 255), np.uint8))
