"""A new model from an old one: with other priors, or updated from diagnosed cases. Internal but for `UpdateReport`.

The old model is never changed. The new one has the old version with a suffix, and the digest of its own content.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

from legdx.errors import EvidenceError, EvidenceShapeError, Fault, ModelMeaningError, nearest, shown
from legdx.evidence import parse_evidence
from legdx.inference.learn import SOURCE, Diagnosed, MovedRow, learn
from legdx.loaded import Model
from legdx.model.spec import Cause, Prior, Source, Spec
from legdx.model.vocabulary import Vocabulary

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["UpdateReport", "content_digest", "update", "with_priors"]

_STATED = "stated_prior"


@dataclass(frozen=True, kw_only=True, slots=True)
class UpdateReport:
    """What an update has moved: every row that the cases bear on, the one that moved most first.

    >>> import legdx
    >>> model = legdx.load_model()
    >>> report = model.update([{"cause": "stroke", "sex": "female"}, {"cause": "stroke", "sex": "female"}]).report
    >>> report.cases, report.moved[0].parameter
    (2, 'P(sex | stroke)')
    """

    cases: int
    strength: float
    steps: int
    moved: tuple[MovedRow, ...]

    @property
    def text(self) -> str:
        """The ten rows that moved most, a line each."""
        lines = [f"{self.cases} cases, {len(self.moved)} rows moved"]
        for row in self.moved[:10]:
            k = max(range(len(row.states)), key=lambda k: abs(row.after[k] - row.before[k]))
            lines.append(f"  {row.parameter}: {row.states[k]} {row.before[k]:.3f} -> {row.after[k]:.3f}")
        return "\n".join(lines)


def with_priors(model: Model, priors: Mapping[str, float], setting: str | None) -> Model:
    """The model with stated priors; see `Model.with_priors`.

    >>> import legdx
    >>> model = with_priors(legdx.load_model(), {"stroke": 0.2}, "emergency")
    >>> round(legdx.rank({}, setting="emergency", model=model).probability("stroke"), 12)
    0.2
    """
    settings = model.settings if setting is None else (model.settings[model.setting_index(setting)],)
    shares = _shares(model.spec, priors)
    causes = model.spec.causes
    for name in settings:
        causes = _restated(causes, name, shares, priors)
    source = Source(id=_STATED, citation="stated by the user of the model", url="", kind="statement", n=0)
    return _derived(
        model, replace(model.spec, causes=causes, sources={**model.spec.sources, _STATED: source}), "priors"
    )


def update(model: Model, cases: Iterable[Mapping[str, Any]] | pd.DataFrame, strength: float) -> Model:
    """The model updated from diagnosed cases; see `Model.update`.

    >>> import legdx
    >>> update(legdx.load_model(), [{"cause": "stroke", "sex": "female"}], 1.0).report.cases
    1
    """
    if not (isinstance(strength, int | float) and math.isfinite(strength) and strength > 0):
        raise ValueError(f"the strength of a case is {shown(strength)}; give a finite number over 0")
    diagnosed = _read_cases(model, cases)
    learned = learn(model.spec, diagnosed, float(strength))
    citation = f"{len(diagnosed)} diagnosed cases, each worth {strength:g} patients"
    source = Source(id=SOURCE, citation=citation, url="", kind="cases", n=len(diagnosed))
    spec = replace(learned.spec, sources={**model.spec.sources, SOURCE: source})
    report = UpdateReport(cases=len(diagnosed), strength=float(strength), steps=learned.steps, moved=learned.moved)
    return _derived(model, spec, "update", report)


def content_digest(model: Model, spec: Spec) -> str:
    """The digest of a specification and the rules of a model, whatever they were read from.

    >>> import legdx
    >>> model = legdx.load_model()
    >>> content_digest(model, model.spec)[:7], len(content_digest(model, model.spec))
    ('sha256:', 71)
    """
    plain = [_plain(spec), [_plain(rule) for rule in model.rules.rules]]
    text = json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _derived(model: Model, spec: Spec, kind: str, report: UpdateReport | None = None) -> Model:
    base = spec.manifest.version.split("+")[0]
    digest = content_digest(model, replace(spec, manifest=replace(spec.manifest, version=base)))
    version = f"{base}+{kind}.{digest.removeprefix('sha256:')[:8]}"
    return Model(replace(spec, manifest=replace(spec.manifest, version=version)), model.rules, digest, report=report)


def _plain(value: Any) -> Any:
    if isinstance(value, Vocabulary):
        return [_plain(finding) for finding in value.findings]
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, frozenset):
        return sorted(value)
    return [_plain(one) for one in value] if isinstance(value, tuple | list) else value


def _shares(spec: Spec, priors: Mapping[str, float]) -> dict[str, tuple[str, ...]]:
    """The causes that each id stands for; every fault of the mapping is raised together."""
    groups: dict[str, list[str]] = {}
    for cause in spec.causes:
        for group in {cause.category, cause.family}:
            groups.setdefault(group, []).append(cause.id)
    groups |= {cause.id: [cause.id] for cause in spec.causes}
    faults, owner = [], dict[str, str]()
    for id, value in priors.items():
        where = f"priors: {shown(id)}"
        if id not in groups:
            faults.append(Fault(where=where, problem="no such cause, category or family", fix=nearest(id, groups)))
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value <= 1.0:
            faults.append(Fault(where=where, problem=f"is {shown(value)}", fix="give a probability from 0 to 1"))
        for member in groups[id]:
            if member in owner:
                faults.append(
                    Fault(
                        where=where, problem=f"{member} is also in {owner[member]}", fix="give a prior to one of them"
                    )
                )
            owner.setdefault(member, id)
    if not faults:
        total = math.fsum(priors.values())
        if total > 1 + 1e-9 or (len(owner) == len(spec.causes) and total < 1 - 1e-9):
            problem = f"sum to {total:.12g}" + (" over all causes" if total < 1 else "")
            faults.append(Fault(where="priors", problem=problem, fix="let all together be 1"))
    if faults:
        raise ModelMeaningError(faults)
    return {id: tuple(groups[id]) for id in priors}


def _restated(
    causes: tuple[Cause, ...], setting: str, shares: Mapping[str, tuple[str, ...]], priors: Mapping[str, float]
) -> tuple[Cause, ...]:
    """Give each group its prior, in proportion to its members' own; the rest share what remains in the same way."""
    stated = {member for members in shares.values() for member in members}
    rest = tuple(cause.id for cause in causes if cause.id not in stated)
    remains = max(0.0, 1.0 - math.fsum(priors.values()))
    old = {cause.id: cause.prior[setting].p for cause in causes}
    new: dict[str, float] = {}
    for members, value in [*((shares[id], float(priors[id])) for id in shares), (rest, remains)]:
        total = math.fsum(old[member] for member in members)
        for member in members:
            # Members without any prior have no proportion to keep, and share alike.
            new[member] = value * old[member] / total if total else value / len(members)
    return tuple(
        replace(cause, prior={**cause.prior, setting: _prior(cause.prior[setting], new[cause.id], cause.id in stated)})
        for cause in causes
    )


def _prior(old: Prior, p: float, stated: bool) -> Prior:
    return replace(old, p=p, sources=(_STATED,), note="") if stated else replace(old, p=p)


def _read_cases(model: Model, cases: Any) -> list[Diagnosed]:
    """Check every case; all faults of all cases are raised together."""
    records = cases.to_dict("records") if hasattr(cases, "to_dict") and not isinstance(cases, Mapping) else cases
    if isinstance(records, Mapping | str) or not isinstance(records, Iterable):
        problem = f"are a {type(cases).__name__}, not a table"
        raise EvidenceShapeError([Fault(where="cases", problem=problem, fix="pass a list of dicts or a data frame")])
    numbers = {cause.id: k for k, cause in enumerate(model.spec.causes)}
    faults: list[Fault] = []
    read: list[Diagnosed] = []
    for n, case in enumerate(records):
        try:
            read.append(_read_case(model, numbers, case))
        except EvidenceError as error:
            faults += [replace(fault, where=f"cases[{n}]: {fault.where}") for fault in error.faults]
    if not faults and not read:
        faults.append(Fault(where="cases", problem="are none", fix="give one diagnosed case at least"))
    if faults:
        raise EvidenceError(faults)
    return read


def _read_case(model: Model, numbers: Mapping[str, int], case: object) -> Diagnosed:
    if not isinstance(case, Mapping):
        fault = Fault(where="case", problem=f"is {shown(case)}, not a mapping", fix='write {"cause": "stroke", ...}')
        raise EvidenceShapeError([fault])
    cause, setting = case.get("cause"), case.get("setting")
    faults = []
    if not isinstance(cause, str) or cause not in numbers:
        faults.append(Fault(where="cause", problem=f"no cause {shown(cause)}", fix=nearest(cause, numbers)))
    place = None
    if setting in model.settings:
        place = model.setting_index(setting)
    elif setting is not None and setting == setting:
        fix = nearest(setting, model.settings)
        faults.append(Fault(where="setting", problem=f"no setting {shown(setting)}", fix=fix))
    try:
        findings = {k: v for k, v in case.items() if k not in ("cause", "setting")}
        evidence = parse_evidence(model.vocabulary, findings)
    except EvidenceError as error:
        faults += error.faults
    if faults:
        raise EvidenceError(faults)
    return Diagnosed(cause=numbers[str(cause)], setting=place, evidence=evidence)
