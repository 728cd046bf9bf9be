"""What would change the answer: one-way sensitivity functions of each parameter that the evidence touches. NumPy only.

As one parameter x varies, and the other states of its row keep their proportions, each P(cause, evidence) is linear in
x and the posterior a ratio of two linear functions (Castillo, Gutierrez and Hadi, IEEE Trans Syst Man Cybern A
1997;27:412-423; Coupe and van der Gaag, Ann Math Artif Intell 2002;36:323-356), so that the derivative (Laskey, IEEE
Trans Syst Man Cybern 1995;25:901-909) and the values at which two causes tie are exact. A parameter is meant as it is
written in the model: the reporting error is part of the function.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from legdx.evidence import Evidence
from legdx.inference.parameters import Block, TouchedParameters
from legdx.inference.tables import Array
from legdx.model.spec import Spec

__all__ = ["Sensitivity", "SensitivityFunction", "Turn", "sensitivity"]

Turns = tuple[tuple[Array, npt.NDArray[np.intp]], tuple[Array, npt.NDArray[np.intp]]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """Where another cause becomes the first: at which value of the parameter, on which side of it, and which cause."""

    value: float
    side: str
    cause: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SensitivityFunction:
    """The posterior of one cause as a function of one parameter x: (a x + b) / (c x + d).

    ``value`` is the parameter as the model has it, ``swing`` the change of the posterior for one standard deviation
    of it, and ``turns`` where the ranking gets another first cause, at most one value on each side.
    """

    parameter: str
    where: str
    value: float
    strength: float
    sources: tuple[str, ...]
    a: float
    b: float
    c: float
    d: float
    derivative: float
    swing: float
    turns: tuple[Turn, ...]

    def posterior(self, x: float) -> float:
        """The posterior of the cause if the parameter were x."""
        return (self.a * x + self.b) / (self.c * x + self.d)

    @property
    def text(self) -> str:
        """What the function says, in words."""
        if not self.turns:
            return f"no value of {self.parameter} turns the ranking (now {_short(self.value)})"
        parts = [f"{turn.side} {_short(turn.value)} (to {turn.cause})" for turn in self.turns]
        return f"the ranking turns if {self.parameter} is {' or '.join(parts)}; it is {_short(self.value)}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Sensitivity:
    """The parameters that matter most for one cause, by swing; and those nearest to turning the ranking, nearest first.

    How near is counted in standard deviations of the parameter, so that what rests on little comes first.
    """

    cause: str
    parameters: tuple[SensitivityFunction, ...]
    turning: tuple[SensitivityFunction, ...]

    def to_dict(self) -> dict[str, object]:
        """The same as plain values."""
        return {
            "cause": self.cause,
            "parameters": [_plain(one) for one in self.parameters],
            "turning": [_plain(one) for one in self.turning],
        }


def sensitivity(spec: Spec, evidence: Evidence, setting: int, cause: int, n: int) -> Sensitivity:
    """The sensitivity functions of the posterior of one cause.

    Args:
        spec: the model as written.
        evidence: what is known of the person.
        setting: the number of the setting.
        cause: the number of the cause.
        n: how many parameters to give, by swing and by turning each.
    """
    case = TouchedParameters(spec, evidence, setting)
    blocks = list(case.blocks())
    values = np.concatenate([block.values for block in blocks])
    strengths = np.concatenate([block.strengths for block in blocks])
    # The standard deviation of each parameter under its Dirichlet distribution.
    spreads = np.sqrt(values * (1.0 - values) / (strengths + 1.0))
    swings = np.abs(np.concatenate([block.derivatives(case.posterior, cause) for block in blocks])) * spreads
    turns = [_turns(block, case.posterior) for block in blocks]
    nearest = [
        np.minimum(b.values - under[0], over[0] - b.values) for b, (under, over) in zip(blocks, turns, strict=True)
    ]
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = np.nan_to_num(np.concatenate(nearest) / spreads, nan=np.inf, posinf=np.inf)
    starts = np.cumsum([0, *(len(block.values) for block in blocks)])

    def function(place: int) -> SensitivityFunction:
        number = int(np.searchsorted(starts, place, side="right")) - 1
        k = place - int(starts[number])
        at = [
            Turn(value=float(ends[k]), side=side, cause=spec.causes[first[k]].id)
            for side, (ends, first) in zip(("under", "over"), turns[number], strict=True)
            if np.isfinite(ends[k])
        ]
        return _function(blocks[number], k, cause, float(case.posterior[cause]), float(spreads[place]), tuple(at))

    return Sensitivity(
        cause=spec.causes[cause].id,
        parameters=tuple(function(k) for k in np.argsort(-swings, kind="stable")[:n].tolist()),
        turning=tuple(function(k) for k in np.argsort(steps, kind="stable")[:n].tolist() if np.isfinite(steps[k])),
    )


def _function(
    block: Block, k: int, cause: int, posterior: float, spread: float, turns: tuple[Turn, ...]
) -> SensitivityFunction:
    value, (slope, total) = float(block.values[k]), block.slope(k, cause)
    name, where = block.named(k)
    derivative = slope - posterior * total
    return SensitivityFunction(
        parameter=name,
        where=where,
        value=value,
        strength=block.rows[k].strength,
        sources=block.rows[k].sources,
        a=slope,
        b=posterior - slope * value,
        c=total,
        d=1.0 - total * value,
        derivative=derivative,
        swing=abs(derivative) * spread,
        turns=turns,
    )


def _turns(block: Block, posterior: Array) -> Turns:
    """The value nearest under and over each parameter at which another cause is first, and that cause."""
    top = int(posterior.argmax())
    gap = posterior[top] - posterior
    if block.slopes.ndim == 2:
        return _closed(block.values, gap, block.slopes - block.slopes[:, top : top + 1])
    # What moves one cause alone makes it overtake the first, or the first fall behind the second.
    rivals = np.where(np.arange(len(posterior)) == top, -1.0, posterior)
    gain, first = block.slopes.copy(), np.arange(len(posterior))
    gap[top], gain[top], first[top] = posterior[top] - rivals.max(), -gain[top], rivals.argmax()
    under, over = _closed(block.values, gap[:, None], gain[:, None])
    return (under[0], first), (over[0], first)


def _closed(values: Array, gap: Array, gain: Array) -> Turns:
    """Where a gap closes that shrinks by its gain (rows, C) with each parameter; infinite where it does not."""
    with np.errstate(divide="ignore", invalid="ignore"):
        step = gap / np.abs(gain)
    under, over = ((sign, np.where(sign * gain > 0, step, np.inf)) for sign in (-1.0, 1.0))
    return _ends(values, *under), _ends(values, *over)


def _ends(values: Array, sign: float, steps: Array) -> tuple[Array, npt.NDArray[np.intp]]:
    first = steps.argmin(axis=1)
    at = values + sign * steps[np.arange(len(values)), first]
    return np.where((at >= 0.0) & (at <= 1.0), at, sign * np.inf), first


def _short(value: float) -> str:
    return f"{value:.2g}"


def _plain(one: SensitivityFunction) -> dict[str, object]:
    plain = {name: getattr(one, name) for name in one.__slots__ if name not in ("sources", "turns")}
    turns = [{"value": turn.value, "side": turn.side, "cause": turn.cause} for turn in one.turns]
    return plain | {"sources": list(one.sources), "turns": turns, "text": one.text}
