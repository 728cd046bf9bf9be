"""What one case gives back: the ranked causes, with the red flags beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from legdx.errors import ImpossibleEvidence, UnknownNameError
from legdx.evidence import Evidence, parse_evidence
from legdx.inference.engine import Posterior, infer, is_impossible
from legdx.redflags import RedFlags

if TYPE_CHECKING:
    import pandas as pd

    from legdx.loaded import Model

__all__ = ["RankedCause", "RankedGroup", "Ranking", "rank_case"]

SCHEMA = "legdx-ranking/1"


@dataclass(frozen=True, kw_only=True, slots=True)
class RankedCause:
    """One cause with its posterior and prior probability in this case."""

    id: str
    label: str
    category: str
    family: str
    probability: float
    prior: float


@dataclass(frozen=True, kw_only=True, slots=True)
class RankedGroup:
    """A category or family with the sum of the probabilities of its causes."""

    id: str
    label: str
    probability: float
    prior: float


class Ranking:
    """The differential diagnosis of one person.

    >>> import legdx
    >>> ranking = legdx.rank({"ascending_weakness": "present", "reflexes": "reduced_or_absent"}, setting="emergency")
    >>> ranking.causes[0].id, ranking.urgency
    ('guillain_barre_syndrome', 'emergency')
    """

    def __init__(self, model: Model, setting: str, evidence: Evidence, posterior: Posterior, flags: RedFlags) -> None:
        self.model = model
        self.setting = setting
        self.evidence = evidence
        self.posterior = posterior
        self.red_flags = flags

    @property
    def urgency(self) -> str:
        """The highest urgency of the rules that fired, else ``"routine"``; no probability has a part in it."""
        return self.red_flags.urgency

    @cached_property
    def causes(self) -> tuple[RankedCause, ...]:
        """All causes, most probable first; ties by id."""
        prior = self.model.tables.prior[self.model.setting_index(self.setting)]
        ranked = [
            RankedCause(
                id=cause.id,
                label=cause.label,
                category=cause.category,
                family=cause.family,
                probability=float(p),
                prior=float(q),
            )
            for cause, p, q in zip(self.model.spec.causes, self.posterior.probability, prior, strict=True)
        ]
        return tuple(sorted(ranked, key=lambda c: (-c.probability, c.id)))

    @cached_property
    def categories(self) -> tuple[RankedGroup, ...]:
        """All categories, most probable first."""
        return self._grouped("category")

    @cached_property
    def families(self) -> tuple[RankedGroup, ...]:
        """All families, most probable first."""
        return self._grouped("family")

    def _grouped(self, level: str) -> tuple[RankedGroup, ...]:
        members: dict[str, list[RankedCause]] = {}
        for cause in self.causes:
            members.setdefault(getattr(cause, level), []).append(cause)
        groups = [
            RankedGroup(
                id=id,
                label=id.replace("_", " ").capitalize(),
                probability=float(sum(c.probability for c in causes)),
                prior=float(sum(c.prior for c in causes)),
            )
            for id, causes in members.items()
        ]
        return tuple(sorted(groups, key=lambda g: (-g.probability, g.id)))

    @cached_property
    def _probabilities(self) -> Mapping[str, float]:
        groups = {g.id: g.probability for g in (*self.families, *self.categories)}
        return groups | {c.id: c.probability for c in self.causes}

    def probability(self, id: str) -> float:
        """The posterior probability of a cause, category or family.

        >>> import legdx
        >>> round(sum(legdx.rank({}).probability(c.id) for c in legdx.load_model().causes), 9)
        1.0

        Raises:
            UnknownNameError: the model has no cause, category or family of that id.
        """
        try:
            return self._probabilities[id]
        except (KeyError, TypeError):
            raise UnknownNameError("cause, category or family", id, self._probabilities) from None

    @property
    def log_evidence(self) -> float:
        """The natural logarithm of P(evidence | setting); virtual evidence is scaled to a largest likelihood of 1."""
        return float(self.posterior.log_evidence)

    def to_dict(self) -> dict[str, Any]:
        """The whole answer as plain values: the document that every report and export is made from."""
        return {
            "schema": SCHEMA,
            "model": {"id": self.model.id, "version": self.model.version, "digest": self.model.digest},
            "setting": self.setting,
            "findings": self.evidence.named(),
            "urgency": self.urgency,
            "red_flags": self.red_flags.to_dict(),
            "log_evidence": self.log_evidence,
            "causes": [_plain(cause) for cause in self.causes],
            "categories": [_plain(group) for group in self.categories],
            "families": [_plain(group) for group in self.families],
        }

    def to_json(self, *, indent: int | None = None) -> str:
        """`to_dict` as JSON text: the same bytes for the same case and model."""
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=indent, allow_nan=False)

    def to_frame(self) -> pd.DataFrame:
        """One line a cause, most probable first, as a pandas data frame.

        >>> import legdx
        >>> list(legdx.rank({}).to_frame().columns)
        ['id', 'label', 'category', 'family', 'probability', 'prior']
        """
        import pandas as pd

        return pd.DataFrame([_plain(cause) for cause in self.causes])

    def __repr__(self) -> str:
        flags = [f"  {r.urgency}: {r.label}" for r in self.red_flags.fired]
        causes = [f"  {c.probability:6.1%}  {c.label}" for c in self.causes[:5]]
        head = f"Ranking ({self.setting}, {len(self.evidence.named())} findings): urgency {self.urgency}"
        return "\n".join([head, *flags, *causes])


def rank_case(model: Model, findings: object, setting: str) -> Ranking:
    """Check the findings, evaluate the rules, infer, and hold all three together."""
    index = model.setting_index(setting)
    evidence = parse_evidence(model.vocabulary, findings)
    flags = model.rules.evaluate(evidence)
    posterior = infer(model.tables, evidence, index)
    if is_impossible(posterior):
        raise ImpossibleEvidence(_in_conflict(model, evidence, index))
    return Ranking(model, setting, evidence, posterior, flags)


def _in_conflict(model: Model, evidence: Evidence, setting: int) -> dict[str, str]:
    """The findings of a smallest impossible part: none can be taken away without the rest becoming possible."""

    def impossible(rows: tuple[int, ...], virtual: tuple[tuple[int, tuple[float, ...]], ...]) -> bool:
        return is_impossible(infer(model.tables, Evidence(evidence.vocabulary, rows, virtual), setting))

    rows, virtual = evidence.rows, evidence.virtual
    for one in evidence.virtual:
        fewer = tuple(v for v in virtual if v != one)
        virtual = fewer if impossible(rows, fewer) else virtual
    for row in evidence.rows:
        rest = tuple(r for r in rows if r != row)
        rows = rest if impossible(rest, virtual) else rows
    named = Evidence(evidence.vocabulary, rows, virtual).named()
    return {name: str(value) for name, value in named.items()}


def _plain(item: RankedCause | RankedGroup) -> dict[str, Any]:
    return {name: getattr(item, name) for name in item.__slots__}
