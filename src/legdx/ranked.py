"""The lines of a ranking: one cause, and one category or family, each with its probabilities."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from legdx.inference.uncertainty import Uncertainty

__all__ = ["RankedCause", "RankedGroup"]


@dataclass(frozen=True, kw_only=True, slots=True)
class RankedCause:
    """One cause with its posterior and prior probability in this case.

    >>> import legdx
    >>> first = legdx.rank({"saddle_numbness": True}, setting="emergency").causes[0]
    >>> first.id, first.category, first.probability > first.prior
    ('cauda_equina_syndrome', 'spinal', True)
    """

    id: str
    label: str
    category: str
    family: str
    probability: float
    prior: float
    _uncertainty: Uncertainty = field(repr=False, compare=False)

    @property
    def interval(self) -> tuple[float, float]:
        """The 90% credible interval of the probability, drawn when first asked for."""
        return self._uncertainty.interval("cause", self.id, self.probability)


@dataclass(frozen=True, kw_only=True, slots=True)
class RankedGroup:
    """A category or family with the sum of the probabilities of its causes.

    >>> import legdx
    >>> legdx.rank({"saddle_numbness": True}, setting="emergency").categories[0].label
    'Spinal'
    """

    id: str
    label: str
    probability: float
    prior: float
    _level: str = field(repr=False, compare=False)
    _uncertainty: Uncertainty = field(repr=False, compare=False)

    @property
    def interval(self) -> tuple[float, float]:
        """The 90% credible interval of the probability, drawn when first asked for."""
        return self._uncertainty.interval(self._level, self.id, self.probability)
