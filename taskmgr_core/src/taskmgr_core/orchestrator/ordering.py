"""The order of steps: topological, stable, with the circles named where there is none."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator, Mapping

After = Mapping[str, Collection[str]]


def ordered(after: After) -> list[str]:
    """The steps, each behind those it waits for, otherwise in the order given.

    Arguments:
        after: step -> the steps it waits for.

    Returns:
        Every step that is on no circle and waits for none that is.
    """
    number = {step: index for index, step in enumerate(after)}
    waiting = {step: len(earlier) for step, earlier in after.items()}
    later: dict[str, list[str]] = {step: [] for step in after}
    for step, earlier in after.items():
        for each in earlier:
            later[each].append(step)
    ready = [(number[step], step) for step, count in waiting.items() if count == 0]
    order: list[str] = []
    while ready:
        _, step = heapq.heappop(ready)
        order.append(step)
        for each in later[step]:
            waiting[each] -= 1
            if waiting[each] == 0:
                heapq.heappush(ready, (number[each], each))
    return order


def circles(after: After, order: Collection[str]) -> Iterator[list[str]]:
    """Circles among the steps that could not be ordered, in the direction of the data.

    Arguments:
        after: step -> the steps it waits for.
        order: what ``ordered`` returned.

    Returns:
        Steps that wait for one another, the first one again at the end. Every
        step that is left waits, through others, for one of these circles.
    """
    number = {step: index for index, step in enumerate(after)}
    left = set(after).difference(order)
    seen: set[str] = set()
    for start in [step for step in after if step in left]:
        trail: dict[str, int] = {}
        step = start
        while step not in trail and step not in seen:
            trail[step] = len(trail)
            step = next(each for each in after[step] if each in left)
        if step in trail:
            yield _from_its_first(list(trail)[trail[step] :][::-1], number)
        seen.update(trail)


def _from_its_first(circle: list[str], number: Mapping[str, int]) -> list[str]:
    start = min(range(len(circle)), key=lambda index: number[circle[index]])
    return [*circle[start:], *circle[: start + 1]]
