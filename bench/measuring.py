"""How sides are compared: in turn, one round that does not count first, by the median of ratios.

Ratios of one round are taken between runs that stood next to each other, so what else the machine
does weighs on both alike.
"""

from __future__ import annotations

import operator
import os
import resource
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import median

Figures = dict[str, float]
Side = Callable[[], Figures]

RATE = "requests per second"
SERVER_CPU = "server CPU, µs per request"
CLIENT_CPU = "client CPU, share of one"
P50, P99, P999 = "p50, µs", "p99, µs", "p99.9, µs"


@dataclass(frozen=True)
class Effort:
    """How long everything is measured. The whole of it is chosen here."""

    rounds: int
    """Rounds that count."""
    process_rounds: int
    """The same for commands, which are over in less than a second."""
    seconds: float
    """Of load, for each side and round."""


FULL = Effort(rounds=5, process_rounds=10, seconds=2.0)
QUICK = Effort(rounds=1, process_rounds=2, seconds=0.7)


@dataclass(frozen=True)
class Goal:
    """What the ratio of a figure shall be, ours to another's."""

    figure: str
    other: str
    at_least: float | None = None
    at_most: float | None = None

    def judge(self, pair: str, ratio: float) -> str:
        bound, word, holds = (
            (self.at_least, "at least", operator.ge)
            if self.at_least is not None
            else (self.at_most, "at most", operator.le)
        )
        assert bound is not None
        verdict = "met" if holds(ratio, bound) else "MISSED"
        return f"goal {verdict}: {self.figure}, {pair}: {ratio:.2f}, {word} {bound:.2f}"


def compare(
    title: str,
    ours: Mapping[str, Side],
    others: Mapping[str, Side],
    rounds: int,
    goals: Iterable[Goal] = (),
) -> None:
    """Measure every side in turn; print what each gave, and the ratios of ours to the others."""
    sides = {**ours, **others}
    runs = [{name: side() for name, side in sides.items()} for _ in range(rounds + 1)][1:]
    figures = list(runs[0][next(iter(sides))])
    pairs = list(product(ours, others))

    def ratios(figure: str, our: str, other: str) -> list[float]:
        return [run[our][figure] / run[other][figure] for run in runs if run[other][figure]]

    print(f"\n{title}")
    row(f"medians of {rounds}", sides)
    for figure in figures:
        row(figure, (number(median(run[side][figure] for run in runs)) for side in sides))
    row("ratios", (f"{our} : {other}" for our, other in pairs))
    for figure in figures:
        # A client's share is told so that a client that is at its end is seen.
        if figure != CLIENT_CPU:
            row(figure, (spread(ratios(figure, *pair)) for pair in pairs))
    for goal in goals:
        for our in ours:
            if goal.other in others and (found := ratios(goal.figure, our, goal.other)):
                print(f"  {goal.judge(f'{our} : {goal.other}', median(found))}")


def row(label: str, cells: Iterable[str]) -> None:
    """One line of a table."""
    print(f"  {label:<28}" + "".join(f"{cell:>23}" for cell in cells), flush=True)


def spread(values: Sequence[float]) -> str:
    """The median, and from where to where."""
    return f"{median(values):.2f} ({min(values):.2f}…{max(values):.2f})" if values else "-"


def number(value: float) -> str:
    """Three digits at least, and none that only pretend."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}" if value < 1 else f"{value:.1f}"


def cpu_seconds(pid: int) -> float:
    """What a process has used so far, all of its threads; in steps of 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_kib(pid: int) -> int:
    """What a process has in memory; counted page by page, where `statm` may lag."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name == "Rss":
            return int(rest.split()[0])
    raise LookupError(f"process {pid} tells no Rss")


@contextmanager
def children_cpu() -> Iterator[Callable[[], float]]:
    """Gives a function that says what child processes that ended inside have used."""

    def used() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before = used()
    yield lambda: used() - before
