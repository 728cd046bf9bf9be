"""What one case gives back: the ranked causes, with the red flags beside them.

The reasoning about an answer is imported when it is first asked for: a first `rank()` does not wait for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from legdx.errors import ImpossibleEvidence, UnknownNameError
from legdx.evidence import Evidence, parse_evidence
from legdx.inference.engine import Posterior, infer, is_impossible
from legdx.ranked import RankedCause, RankedGroup
from legdx.redflags import RedFlags

if TYPE_CHECKING:
    import pandas as pd

    from legdx.inference.advise import NextFinding
    from legdx.inference.explain import Explanation
    from legdx.inference.sensitivity import Sensitivity
    from legdx.inference.surprise import Surprise
    from legdx.inference.uncertainty import Uncertainty
    from legdx.loaded import Model

__all__ = ["Ranking", "rank_case"]

SCHEMA = "legdx-ranking/1"


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
                _uncertainty=self._uncertainty,
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
                _level=level,
                _uncertainty=self._uncertainty,
            )
            for id, causes in members.items()
        ]
        return tuple(sorted(groups, key=lambda g: (-g.probability, g.id)))

    @cached_property
    def _uncertainty(self) -> Uncertainty:
        from legdx.inference.uncertainty import Uncertainty

        draws = partial(getattr, self.model, "draws")
        return Uncertainty(draws, self.evidence, self.model.setting_index(self.setting))

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

    def explain(self, id: str, versus: str | None = None) -> Explanation:
        """Why a cause, category or family stands where it stands: prior, weight of evidence of each finding, posterior.

        >>> import legdx
        >>> ranking = legdx.rank({"reflexes": "brisk", "plantar_response": "extensor"}, setting="neurology")
        >>> why = ranking.explain("amyotrophic_lateral_sclerosis", versus="guillain_barre_syndrome")
        >>> gained = sum(c.log10_lr for c in why.contributions)
        >>> abs(why.prior_log10_odds + gained - why.posterior_log10_odds) < 1e-9
        True

        Args:
            id: of a cause, category or family.
            versus: of one rival, likewise; None: all other causes together.

        Returns:
            the explanation; the log10 odds of its prior and the ``log10_lr`` of its contributions add up to the log10
            odds of its posterior. How is in `legdx.inference.explain` and docs/adr/0005.

        Raises:
            UnknownNameError: there is no such cause, category or family, or it has no such rival.
            ImpossibleEvidence: neither it nor its rival can have these findings.
        """
        from legdx.inference.explain import explain

        setting = self.model.setting_index(self.setting)
        return explain(self.model.spec, self.model.tables, self.evidence, setting, id, versus)

    def next_findings(
        self,
        n: int = 5,
        *,
        kinds: Iterable[str] | None = None,
        objective: str = "entropy",
        level: str = "cause",
        cost_weight: float = 0.05,
        rules_first: bool = True,
    ) -> tuple[NextFinding, ...]:
        """What to ask or test next: first what settles an open emergency rule, then by value of information.

        >>> import legdx
        >>> ranking = legdx.rank({"exertional_claudication": True}, setting="primary_care")
        >>> [item.finding for item in ranking.next_findings(2, kinds=["symptom"], rules_first=False)]
        ['radiating_leg_pain', 'leg_pain']

        Args:
            n: how many at most.
            kinds: of finding: "context", "symptom", "sign", "test"; None: all.
            objective: "entropy" (of the level, in bits), "top_cause" (confirm or refute the first cause, in bits) or
                "danger" (expected change of the probability of the causes that need emergency care).
            level: what the entropy is of: "cause", "category" or "family".
            cost_weight: what one step of a finding's cost (0 to 3) is worth, in the unit of the objective.
            rules_first: whether a finding that is the last one missing of an open emergency rule comes before all
                others; the rules alone say which.

        Returns:
            the findings not known for certain that are most worth knowing. Of one mechanism only the best is offered,
            and another only where it settles a rule that no earlier one does.

        Raises:
            UnknownNameError: there is no such kind, objective or level.
        """
        from legdx.inference.advise import next_findings

        settles: dict[str, tuple[str, ...]] = {}
        for rule in self.red_flags.not_excluded:
            if rules_first and rule.urgency == "emergency" and len(rule.ask) == 1:
                settles[rule.ask[0]] = (*settles.get(rule.ask[0], ()), rule.id)
        return next_findings(
            self.model.spec,
            self.model.tables,
            self.evidence,
            self.posterior,
            n=n,
            kinds=kinds,
            objective=objective,
            level=level,
            cost_weight=cost_weight,
            settles=settles,
        )

    @cached_property
    def surprise(self) -> Surprise:
        """How badly the findings fit the model, and which of them do not go together.

        >>> import legdx
        >>> odd = {"muscle_tone": "spastic", "reflexes": "reduced_or_absent", "gait_pattern": "waddling"}
        >>> surprise = legdx.rank(odd).surprise
        >>> surprise.conflict > 0, surprise.conflicts[0].finding
        (True, 'muscle_tone')
        """
        from legdx.inference.surprise import surprise

        setting = self.model.setting_index(self.setting)
        return surprise(self.model.spec, self.model.tables, self.evidence, setting, self.posterior)

    def interval(self, id: str, probability: float = 0.9) -> tuple[float, float]:
        """The central credible interval of the posterior of a cause, category or family.

        >>> import legdx
        >>> ranking = legdx.rank({"relief_bending_forward": True, "exertional_claudication": True})
        >>> low, high = ranking.interval("lumbar_spinal_stenosis")
        >>> low < ranking.probability("lumbar_spinal_stenosis") < high
        True

        The strengths of the model are Dirichlet pseudo-counts (docs/uncertainty.md, docs/adr/0007); the interval always
        holds the probability itself.

        Args:
            id: of a cause, category or family.
            probability: that the interval shall hold, over 0 and under 1.

        Raises:
            UnknownNameError: the model has no cause, category or family of that id.
            ValueError: the probability is not between 0 and 1.
        """
        if not 0.0 < probability < 1.0:
            raise ValueError(f"the probability of an interval is {probability}; give one over 0 and under 1")
        point = self.probability(id)
        found = {name: ends for (_, name), ends in reversed(self._uncertainty.intervals(probability).items())}
        return min(found[id][0], point), max(found[id][1], point)

    def rank_stability(self) -> dict[str, float]:
        """How often each cause is the first when the parameters are drawn anew from what their strengths leave open.

        >>> import legdx
        >>> stability = legdx.rank({"relief_bending_forward": True, "exertional_claudication": True}).rank_stability()
        >>> next(iter(stability)), sum(stability.values()) > 0.999
        ('lumbar_spinal_stenosis', True)

        Returns:
            the share of draws in which each cause is first, the most frequent first; causes that never are, are left
            out.
        """
        shares = self._uncertainty.first()
        return {id: share for id, share in sorted(shares.items(), key=lambda s: (-s[1], s[0])) if share > 0}

    def sensitivity(self, id: str, n: int = 10) -> Sensitivity:
        """What would change the answer: the parameters that matter most for a cause, with sensitivity functions.

        >>> import legdx
        >>> ranking = legdx.rank({"reflexes": "reduced_or_absent", "onset_speed": "chronic"}, setting="neurology")
        >>> first = ranking.sensitivity(ranking.causes[0].id).parameters[0]
        >>> abs(first.posterior(first.value) - ranking.causes[0].probability) < 1e-12
        True

        Args:
            id: of a cause.
            n: how many parameters to give, of each kind.

        Returns:
            ``.parameters``, by how far the posterior of the cause moves with one standard deviation of the parameter,
            and ``.turning``, those nearest to giving the ranking another first cause.

        Raises:
            UnknownNameError: the model has no such cause.
        """
        from legdx.inference.sensitivity import sensitivity

        ids = [cause.id for cause in self.model.spec.causes]
        if id not in ids:
            raise UnknownNameError("cause", id, ids)
        setting = self.model.setting_index(self.setting)
        return sensitivity(self.model.spec, self.evidence, setting, ids.index(id), n)

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
        ['id', 'label', 'category', 'family', 'probability', 'prior', 'interval_low', 'interval_high']
        """
        import pandas as pd

        frame = pd.DataFrame([_plain(cause) for cause in self.causes])
        ends = pd.DataFrame([cause.interval for cause in self.causes], columns=["interval_low", "interval_high"])
        return frame.drop(columns="interval").join(ends)

    def __repr__(self) -> str:
        flags = [f"  {r.urgency}: {r.label}" for r in self.red_flags.fired]
        causes = [f"  {c.probability:6.1%}  {c.label}" for c in self.causes[:5]]
        head = f"Ranking ({self.setting}, {len(self.evidence.named())} findings): urgency {self.urgency}"
        return "\n".join([head, *flags, *causes])


def rank_case(model: Model, findings: object, setting: str) -> Ranking:
    """Check the findings, evaluate the rules, infer, and hold all three together.

    >>> import legdx
    >>> ranking = rank_case(legdx.load_model(), {"saddle_numbness": True}, "emergency")
    >>> ranking.urgency, ranking.causes[0].id
    ('emergency', 'cauda_equina_syndrome')
    """
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
    plain = {name: getattr(item, name) for name in item.__slots__ if not name.startswith("_")}
    return plain | {"interval": list(item.interval)}
