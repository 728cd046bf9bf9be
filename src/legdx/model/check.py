"""What must hold of a model beyond its shape: one small function a law, each yielding faults. Internal."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from legdx.errors import Fault, nearest
from legdx.model.fields import TOLERANCE, Row
from legdx.model.spec import EXPERT, Spec

__all__ = ["check_spec"]


def check_spec(spec: Spec, cited_elsewhere: frozenset[str] = frozenset()) -> list[Fault]:
    """All semantic faults of a specification whose shape is right.

    Args:
        spec: the specification.
        cited_elsewhere: keys of sources that the rules or the literature table cite.
    """
    faults = [fault for law in _LAWS for fault in law(spec)]
    return faults + list(_no_orphan_source(spec, cited_elsewhere))


def _every_finding_has_one_parent(spec: Spec) -> Iterator[Fault]:
    parents = {m.id: m for m in spec.mechanisms}
    for finding in spec.vocabulary.findings:
        where = f"findings.toml: {finding.id}.parent"
        if finding.parent != "cause" and finding.parent not in parents:
            yield Fault(
                where=where,
                problem=f"no mechanism {finding.parent!r}",
                fix=nearest(finding.parent, ["cause", *parents]),
            )
        for mechanism in spec.mechanisms:
            if finding.id in mechanism.findings and mechanism.id != finding.parent:
                yield Fault(
                    where=f"mechanisms.toml: {mechanism.id}.findings.{finding.id}",
                    problem=f"the finding hangs on {finding.parent}",
                    fix=f'move the table there, or set parent = "{mechanism.id}"',
                )
        parent = parents.get(finding.parent)
        if parent is not None and finding.id not in parent.findings:
            yield Fault(
                where=f"mechanisms.toml: {parent.id}.findings",
                problem=f"no table for {finding.id}, which hangs here",
                fix=f"add [{parent.id}.findings.{finding.id}]",
            )


def _causes_state_their_own_findings(spec: Spec) -> Iterator[Fault]:
    parent = {f.id: f.parent for f in spec.vocabulary.findings}
    for cause in spec.causes:
        for name in cause.findings:
            if parent[name] != "cause":
                yield Fault(
                    where=f"causes/{cause.id}.toml: findings.{name}",
                    problem=f"the finding hangs on the mechanism {parent[name]}",
                    fix=f"say it through mechanisms.{parent[name]}",
                )


def _names_are_distinct(spec: Spec) -> Iterator[Fault]:
    owner: dict[str, str] = {}
    nodes = [("finding", f.id) for f in spec.vocabulary.findings] + [("mechanism", m.id) for m in spec.mechanisms]
    nodes += [("node", n) for n in ("setting", "cause", "category", "family")]
    for kind, name in nodes:
        if name in owner:
            yield Fault(where=f"{kind} {name}", problem=f"is also the name of a {owner[name]}", fix="rename one")
        owner[name] = kind
    groups = {c.category for c in spec.causes} | {c.family for c in spec.causes}
    ids = {c.id for c in spec.causes}
    for name in sorted(groups & ids):
        cause = next(c for c in spec.causes if c.id == name)
        if {cause.category, cause.family} != {name}:
            yield Fault(where=f"cause {name}", problem="is also the name of a category or family", fix="rename one")


def _priors_in_every_setting(spec: Spec) -> Iterator[Fault]:
    for setting in spec.manifest.settings:
        for cause in spec.causes:
            if setting not in cause.prior:
                yield Fault(
                    where=f"causes/{cause.id}.toml: prior.{setting}",
                    problem="is missing",
                    fix="add { p = ..., strength = ..., source = [...] }",
                )
        total = math.fsum(c.prior[setting].p for c in spec.causes if setting in c.prior)
        if abs(total - 1) > TOLERANCE:
            yield Fault(
                where=f"prior.{setting}",
                problem=f"over all causes it sums to {total:.12g}, not to 1",
                fix=_mend_priors(spec, setting, total),
            )


def _mend_priors(spec: Spec, setting: str, total: float) -> str:
    for cause in spec.causes:
        if cause.id == spec.manifest.catch_all and setting in cause.prior:
            rest = cause.prior[setting].p + 1 - total
            if rest > 0:
                return f"set it to {rest:.12g} in causes/{cause.id}.toml"
    return f"divide each by {total:.12g}"


def _the_catch_all_is_a_cause(spec: Spec) -> Iterator[Fault]:
    ids = [c.id for c in spec.causes]
    if spec.manifest.catch_all and spec.manifest.catch_all not in ids:
        yield Fault(
            where="manifest.toml: catch_all",
            problem=f"no cause {spec.manifest.catch_all!r}",
            fix=nearest(spec.manifest.catch_all, ids),
        )


def _every_source_is_known(spec: Spec) -> Iterator[Fault]:
    for where, sources in _citations(spec):
        for key in sources:
            if key != EXPERT and key not in spec.sources:
                known = dict.fromkeys([EXPERT, *spec.sources])
                yield Fault(where=where, problem=f"no source {key!r}", fix=nearest(key, known))


def _an_expert_is_not_a_study(spec: Spec) -> Iterator[Fault]:
    for where, row in _rows(spec):
        if row.counts is not None and row.strength > row.counts[1]:
            yield Fault(
                where=where,
                problem=f"strength {row.strength:g} is over its own denominator {row.counts[1]}",
                fix=f"set it to {row.counts[1]} or less",
            )
        if row.sources == (EXPERT,) and row.strength > 50:
            yield Fault(
                where=where,
                problem=f"an expert estimate of strength {row.strength:g}",
                fix="name a study, or give it 50 or less",
            )


def _no_orphan_source(spec: Spec, cited_elsewhere: frozenset[str]) -> Iterator[Fault]:
    cited = {key for _, sources in _citations(spec) for key in sources} | cited_elsewhere
    for key in spec.sources:
        if key not in cited and key != EXPERT:
            yield Fault(where=f"sources.toml: {key}", problem="nothing cites it", fix="cite it or take it out")


def _rows(spec: Spec) -> Iterator[tuple[str, Row]]:
    for finding in spec.vocabulary.findings:
        yield f"findings.toml: {finding.id}.background", finding.background
    for mechanism in spec.mechanisms:
        yield f"mechanisms.toml: {mechanism.id}.background", mechanism.background
        for name, rows in mechanism.findings.items():
            for state, row in rows.items():
                yield f"mechanisms.toml: {mechanism.id}.findings.{name}.{state}", row
    for cause in spec.causes:
        parts: tuple[tuple[str, Mapping[str, Row]], ...] = (
            ("mechanisms", cause.mechanisms),
            ("findings", cause.findings),
        )
        for part, named in parts:
            for name, row in named.items():
                yield f"causes/{cause.id}.toml: {part}.{name}", row


def _citations(spec: Spec) -> Iterator[tuple[str, tuple[str, ...]]]:
    for where, row in _rows(spec):
        yield f"{where}.source", row.sources
    for cause in spec.causes:
        yield f"causes/{cause.id}.toml: text_source", cause.text_sources
        for setting, prior in cause.prior.items():
            yield f"causes/{cause.id}.toml: prior.{setting}.source", prior.sources


_LAWS = (
    _every_finding_has_one_parent,
    _causes_state_their_own_findings,
    _names_are_distinct,
    _priors_in_every_setting,
    _the_catch_all_is_a_cause,
    _every_source_is_known,
    _an_expert_is_not_a_study,
)
