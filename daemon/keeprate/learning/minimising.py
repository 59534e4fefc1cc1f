"""Minimise a smooth function: limited-memory BFGS after Nocedal & Wright, Numerical Optimization (2006), algorithm 7.5.

scipy has this too, but with its 143 MB the light installation would no longer stay under 300 MB
(docs/decisions/0001). tests/learning compares the solutions that come out with scikit-learn's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]
LossAndGradient = Callable[[Vector], tuple[float, Vector]]

REMEMBERED: Final = 10
"""So many steps shape the next one."""
MOST_TRIALS: Final = 30
"""So many step lengths are tried before the loss counts as flat (float32 noise makes it so near the minimum)."""
SUFFICIENT_DECREASE: Final = 1e-4
SUFFICIENT_FLATTENING: Final = 0.9
"""The two Wolfe conditions, with the constants that the book recommends for quasi-Newton steps."""


def minimise(
    loss_and_gradient: LossAndGradient,
    start: Vector,
    *,
    most_steps: int = 200,
    loss_tolerance: float = 1e-8,
    gradient_tolerance: float = 1e-6,
) -> Vector:
    """The (n,) point where the loss is least, found from `start`.

    It ends when no part of the gradient exceeds `gradient_tolerance`, when a step lowers the loss by less than
    `loss_tolerance` of it, or after `most_steps`.
    """
    point = start.astype(np.float64)
    loss, gradient = loss_and_gradient(point)
    memory: deque[tuple[Vector, Vector]] = deque(maxlen=REMEMBERED)
    for _ in range(most_steps):
        if np.abs(gradient).max(initial=0.0) <= gradient_tolerance:
            break
        direction = -_bent(gradient, memory)
        first_length = 1.0 if memory else min(1.0, 1.0 / float(np.abs(gradient).sum()))
        found = _search(loss_and_gradient, point, loss, gradient, direction, first_length)
        if found is None:
            break
        new_point, new_loss, new_gradient = found
        memory.append((new_point - point, new_gradient - gradient))
        gain = loss - new_loss
        point, loss, gradient = new_point, new_loss, new_gradient
        if gain <= loss_tolerance * max(abs(loss), 1.0):
            break
    return point


def _bent(gradient: Vector, memory: deque[tuple[Vector, Vector]]) -> Vector:
    """The gradient times the inverse curvature that the remembered steps suggest (the two-loop recursion)."""
    result = gradient.copy()
    shares = []
    for step, change in reversed(memory):
        share = float(step @ result) / float(step @ change)
        result -= share * change
        shares.append(share)
    if memory:
        step, change = memory[-1]
        result *= float(step @ change) / float(change @ change)
    for (step, change), share in zip(memory, reversed(shares), strict=True):
        result += (share - float(change @ result) / float(step @ change)) * step
    return result


def _search(
    loss_and_gradient: LossAndGradient,
    point: Vector,
    loss: float,
    gradient: Vector,
    direction: Vector,
    length: float,
) -> tuple[Vector, float, Vector] | None:
    """A step along `direction` that meets the Wolfe conditions, by bisection; None if there is none worth taking."""
    slope = float(gradient @ direction)
    if slope >= 0:
        return None
    shortest, longest = 0.0, np.inf
    for _ in range(MOST_TRIALS):
        new_point = point + length * direction
        new_loss, new_gradient = loss_and_gradient(new_point)
        if not new_loss <= loss + SUFFICIENT_DECREASE * length * slope:  # also when it is not a number
            longest = length
        elif float(new_gradient @ direction) < SUFFICIENT_FLATTENING * slope:
            shortest = length
        else:
            return new_point, new_loss, new_gradient
        length = 2 * length if longest == np.inf else (shortest + longest) / 2
    return None
