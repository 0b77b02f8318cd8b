"""What is painted on covers: each painter draws one kind of picture in any colours."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
Random = np.random.Generator


class Palette(NamedTuple):
    """The sky down to its horizon, what shines, and what stands before it, from far to near."""

    sky: Colour
    horizon: Colour
    light: Colour
    grounds: tuple[Colour, ...]


Painter = Callable[[Image.Image, Palette, Random], None]


def blend(one: Colour, other: Colour, share: float) -> Colour:
    """Between two colours, 0 to 1."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def paint_sky(picture: Image.Image, palette: Palette) -> None:
    """Fills the picture from the sky at the top to the horizon."""
    rows = np.linspace(0.0, 1.0, picture.height)[:, None] ** 0.8
    colours = np.asarray(palette.sky) * (1 - rows) + np.asarray(palette.horizon) * rows
    column = np.rint(colours).astype(np.uint8)[:, None]
    picture.paste(Image.fromarray(column, "RGB").resize(picture.size, Image.Resampling.NEAREST))


def paint_sun(picture: Image.Image, palette: Palette, x: float, y: float, radius: float) -> None:
    """A disc with rings of haze around it; place and size are shares of the picture's side."""
    side = picture.width
    for ring in range(5, -1, -1):
        size = radius * (1 + 0.42 * ring)
        box = [side * (x - size), side * (y - size), side * (x + size), side * (y + size)]
        opacity = 255 if ring == 0 else round(70 / (ring + 0.6))
        _disc(picture, box, palette.light, opacity)


def _disc(
    picture: Image.Image, box: Sequence[float], colour: Colour, opacity: int, rim: int = 0
) -> None:
    """A disc through which one sees, 255 not at all; with a `rim` of so many pixels, a ring."""
    left, top = math.floor(box[0]), math.floor(box[1])
    mask = Image.new("L", (math.ceil(box[2]) - left + 1, math.ceil(box[3]) - top + 1))
    fill = None if rim else opacity
    place = [box[0] - left, box[1] - top, box[2] - left, box[3] - top]
    ImageDraw.Draw(mask).ellipse(place, fill=fill, outline=opacity, width=max(1, rim))
    picture.paste(colour, (left, top), mask)


def _ridge(random: Random, side: int, rough: float, octaves: int) -> NDArray[np.float64]:
    """A smooth line over `side` points, -1 to 1 and more: waves of random phase."""
    across = np.linspace(0.0, 2 * math.pi, side)
    line = np.zeros(side)
    for octave in range(1, octaves + 1):
        phase = random.uniform(0, 2 * math.pi)
        line += np.sin(across * octave * random.uniform(0.6, 1.1) + phase) / octave**rough
    return line


def _fill_below(picture: Image.Image, heights: NDArray[np.float64], colour: Colour) -> None:
    side = picture.width
    across = np.linspace(0, side, len(heights))
    points = [(float(x), float(y)) for x, y in zip(across, heights, strict=True)]
    ImageDraw.Draw(picture).polygon([(0, side), *points, (side, side)], fill=colour)


def waves(picture: Image.Image, palette: Palette, random: Random) -> None:
    """Hills or waves under a low sun."""
    side = picture.width
    paint_sky(picture, palette)
    paint_sun(picture, palette, random.uniform(0.25, 0.75), random.uniform(0.26, 0.4), 0.12)
    layers = 7
    for layer in range(layers):
        share = layer / (layers - 1)
        colour = _ground(palette, share)
        level = side * (0.46 + 0.42 * share)
        swell = side * (0.03 + 0.02 * share)
        _fill_below(picture, level + swell * _ridge(random, 200, 1.2, 3), colour)


def _ground(palette: Palette, share: float) -> Colour:
    """From the farthest ground to the nearest."""
    at = share * (len(palette.grounds) - 1)
    low = min(int(at), len(palette.grounds) - 2)
    return blend(palette.grounds[low], palette.grounds[low + 1], at - low)


def mountains(picture: Image.Image, palette: Palette, random: Random) -> None:
    """Ranges of sharp peaks, lit from one side."""
    side = picture.width
    paint_sky(picture, palette)
    paint_sun(picture, palette, random.uniform(0.2, 0.8), random.uniform(0.2, 0.32), 0.1)
    draw = ImageDraw.Draw(picture)
    for layer in range(5):
        share = layer / 4
        colour = _ground(palette, share)
        lit = blend(colour, palette.light, 0.28 * (1 - 0.6 * share))
        base = side * (0.6 + 0.13 * layer)
        x = side * random.uniform(-0.25, -0.05)
        while x < side * 1.1:
            width = side * random.uniform(0.22, 0.46) * (1.1 - 0.3 * share)
            height = width * random.uniform(0.75, 1.25)
            peak = (x + width * random.uniform(0.4, 0.6), base - height)
            foot = (peak[0] + width * random.uniform(-0.1, 0.12), float(side))
            left, right = (x - width * 0.35, float(side)), (x + width * 1.35, float(side))
            draw.polygon([left, peak, right], fill=colour)
            draw.polygon([left, peak, (foot[0], foot[1])], fill=lit)
            x += width * random.uniform(0.5, 0.85)


def city(picture: Image.Image, palette: Palette, random: Random) -> None:
    """Rows of houses with lights in their windows."""
    side = picture.width
    paint_sky(picture, palette)
    paint_sun(picture, palette, random.uniform(0.2, 0.8), random.uniform(0.2, 0.34), 0.11)
    draw = ImageDraw.Draw(picture)
    for layer in range(4):
        share = 0.1 + 0.9 * layer / 3
        colour = _ground(palette, share)
        glow = blend(colour, palette.light, 0.75)
        x = side * random.uniform(-0.08, 0.0)
        while x < side:
            width = side * random.uniform(0.07, 0.15)
            top = side * (0.3 + 0.15 * layer + random.uniform(0.0, 0.22))
            draw.rectangle([x, top, x + width, side], fill=colour)
            if random.random() < 0.25:
                draw.rectangle(
                    [x + width * 0.47, top - side * 0.07, x + width * 0.53, top], fill=colour
                )
            _windows(draw, random, (x, top, width), side, glow)
            x += width * random.uniform(0.95, 1.25)


def _windows(
    draw: ImageDraw.ImageDraw,
    random: Random,
    house: tuple[float, float, float],
    side: int,
    glow: Colour,
) -> None:
    x, top, width = house
    step = side * 0.024
    columns = int((width - step * 0.8) / step)
    left = x + (width - columns * step) / 2
    for row in range(int((side - top) / (step * 1.3)) - 1):
        for lit in np.flatnonzero(random.random(columns) < 0.22):
            across, down = left + lit * step, top + step * (0.8 + 1.3 * row)
            box = [across + step * 0.22, down, across + step * 0.78, down + step * 0.75]
            draw.rectangle(box, fill=glow)


def bubbles(picture: Image.Image, palette: Palette, random: Random) -> None:
    """Discs that shine through one another."""
    side = picture.width
    paint_sky(picture, palette)
    colours = (palette.light, *palette.grounds[:-1])
    for at in range(16):
        radius = side * random.uniform(0.05, 0.27) * (1.15 - at / 24)
        x, y = side * random.uniform(0.0, 1.0), side * random.uniform(0.02, 0.8)
        colour = colours[int(random.integers(len(colours)))]
        disc = [x - radius, y - radius, x + radius, y + radius]
        if random.random() < 0.3:
            _disc(picture, disc, colour, 200, round(radius * random.uniform(0.08, 0.25)))
        else:
            _disc(picture, disc, colour, 150)


def record(picture: Image.Image, palette: Palette, random: Random) -> None:
    """Arcs around a corner, like a record's grooves or a bandstand's arches."""
    side = picture.width
    paint_sky(picture, palette)
    draw = ImageDraw.Draw(picture)
    x, y = side * random.uniform(0.15, 0.85), side * random.uniform(0.3, 0.48)
    colours = (*palette.grounds, palette.light)
    radius = side * 0.98
    while radius > side * 0.06:
        start = random.uniform(0, 360)
        sweep = random.uniform(140, 340)
        colour = colours[int(random.integers(len(colours)))]
        width = side * random.uniform(0.018, 0.055)
        box = [x - radius, y - radius, x + radius, y + radius]
        draw.arc(box, start, start + sweep, fill=colour, width=round(width))
        radius -= width * random.uniform(1.05, 1.7)
    centre = side * 0.055
    draw.ellipse([x - centre, y - centre, x + centre, y + centre], fill=palette.light)
