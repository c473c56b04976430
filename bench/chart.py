"""Two line charts above each other, as SVG: a few lines of text need no library for drawing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

WIDTH, HEIGHT = 720, 250
LEFT, RIGHT, TOP, BOTTOM = 80, 90, 40, 40
COLOURS = ("#b3541e", "#1f6f8b")

Lines = Mapping[str, Sequence[float]]


def chart(first: str, xs: Sequence[float], ys: Lines, second: str, more: Lines) -> str:
    """Both charts, over the same `xs`; their axes are logarithmic, but the first one's y axis."""
    inside = plot(0, first, xs, ys, logarithmic=False)
    inside += plot(HEIGHT, second, xs, more, logarithmic=True)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {2 * HEIGHT}" '
        'font-family="sans-serif" font-size="12">\n'
        f'<rect width="{WIDTH}" height="{2 * HEIGHT}" fill="white"/>\n{inside}</svg>\n'
    )


def plot(top: float, title: str, xs: Sequence[float], ys: Lines, *, logarithmic: bool) -> str:
    """One of them."""
    values = [value for line in ys.values() for value in line]
    low = 10 ** math.floor(math.log10(min(values))) if logarithmic else 0.0
    high = 10 ** math.ceil(math.log10(max(values))) if logarithmic else rounded(max(values))

    def x(value: float) -> float:
        share = math.log(value / xs[0]) / math.log(xs[-1] / xs[0])
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        share = math.log(value / low) / math.log(high / low) if logarithmic else value / high
        return top + HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    ticks = (
        [low * 10**power for power in range(round(math.log10(high / low)) + 1)]
        if logarithmic
        else [high * part / 4 for part in range(5)]
    )
    drawn = [f'<text x="{LEFT}" y="{top + 20:g}" font-size="14">{title}</text>']
    for tick in ticks:
        at = y(tick)
        drawn += [
            f'<path d="M{LEFT},{at:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>',
            f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{tick:,g}</text>',
        ]
    under = top + HEIGHT - BOTTOM + 18
    drawn += [
        f'<text x="{x(value):.1f}" y="{under:g}" text-anchor="middle">{value:,g}</text>'
        for value in xs
    ]
    # Names stand at the ends of their lines, and not on top of each other.
    ends = sorted((y(line[-1]), name) for name, line in ys.items())
    places = {name: place for place, name in ends}
    for (upper, _), (lower, name) in pairwise(ends):
        places[name] = max(lower, upper + 14)
    for colour, (name, line) in zip(COLOURS, ys.items(), strict=True):
        points = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in zip(xs, line, strict=True))
        drawn += [
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>',
            f'<text x="{WIDTH - RIGHT + 8}" y="{places[name] + 4:.1f}" fill="{colour}">'
            f"{name}</text>",
        ]
    return "\n".join(drawn) + "\n"


def rounded(value: float) -> float:
    """The next of 1, 2, 4 and 8 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 4, 8, 10) if step * power >= value)
