from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from keeprate.learning.minimising import Vector, minimise


def rosenbrock(point: Vector) -> tuple[float, Vector]:
    """A narrow curved valley; its minimum is at (1, 1, …)."""
    before, after = point[:-1], point[1:]
    gradient = np.zeros_like(point)
    gradient[:-1] = -400 * before * (after - before**2) - 2 * (1 - before)
    gradient[1:] += 200 * (after - before**2)
    return float((100 * (after - before**2) ** 2 + (1 - before) ** 2).sum()), gradient


def test_a_curved_valley() -> None:
    found = minimise(rosenbrock, np.full(6, -1.2), most_steps=500, loss_tolerance=0, gradient_tolerance=1e-8)
    np.testing.assert_allclose(found, np.ones(6), atol=1e-5)


@pytest.mark.parametrize("condition", [1.0, 1e2, 1e4])
def test_as_low_as_scipy_in_not_many_more_looks(condition: float) -> None:
    random = np.random.default_rng(0)
    curvature = np.geomspace(1, condition, 40)
    target = random.normal(size=40)
    looks = 0

    def bowl(point: Vector) -> tuple[float, Vector]:
        nonlocal looks
        looks += 1
        away = point - target
        return float(0.5 * curvature @ away**2 + np.log(np.cosh(away)).sum()), curvature * away + np.tanh(away)

    theirs = minimize(bowl, np.zeros(40), jac=True, method="L-BFGS-B", options={"ftol": 1e-12, "gtol": 1e-8})
    looks = 0
    ours = minimise(bowl, np.zeros(40), most_steps=1000, loss_tolerance=1e-12, gradient_tolerance=1e-8)
    assert bowl(ours)[0] <= theirs.fun + 1e-7
    assert looks <= 2 * theirs.nfev + 10


def test_a_start_at_the_minimum_and_a_step_limit() -> None:
    np.testing.assert_array_equal(minimise(rosenbrock, np.ones(3)), np.ones(3))
    begun = np.full(4, -1.2)
    assert rosenbrock(minimise(rosenbrock, begun, most_steps=3))[0] < rosenbrock(begun)[0]
