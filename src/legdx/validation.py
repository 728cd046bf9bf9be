"""Runs a model over cases whose diagnosis is known and gathers the figures: the document that `render` prints.

Cases come as JSON lines; docs/validation.md describes the form.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from legdx.errors import CaseFileError, LegdxError, nearest, shown
from legdx.evidence import parse_evidence
from legdx.inference.comparators import flattened, with_uniform_prior
from legdx.inference.engine import infer_block
from legdx.inference.scores import Scored, calibration_error, error_if_calibrated, figure, reliability, score
from legdx.inference.tables import Array
from legdx.loaded import Model

__all__ = ["KnownCase", "read_cases", "validate"]

_TEXTS = {"id": "", "set": "cases", "setting": "primary_care", "cause": "", "presentation": "", "source": ""}
_KEYS = (*_TEXTS, "findings", "accepted", "emergency")
COMPARATORS = ("network", "naive Bayes", "uniform priors", "prior alone")
BINS = (10, 5)


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownCase:
    """One case with its right answers; none where the disease is outside the model.

    >>> import legdx
    >>> line = '{"id": "one", "findings": {"saddle_numbness": true}, "accepted": ["cauda_equina_syndrome"]}'
    >>> case, = read_cases([line], legdx.load_model())
    >>> case.id, case.accepted
    ('one', ('cauda_equina_syndrome',))
    """

    id: str
    set: str
    setting: str
    findings: Mapping[str, Any]
    accepted: tuple[str, ...]
    cause: str
    presentation: str
    source: str
    emergency: bool | None


def read_cases(lines: Iterable[str], model: Model, name: str = "cases") -> tuple[KnownCase, ...]:
    """Read cases from JSON lines and check them against the model.

    >>> import legdx
    >>> line = '{"id": "one", "findings": {"saddle_numbness": true}, "accepted": ["cauda_equina_syndrome"]}'
    >>> read_cases([line], legdx.load_model())[0].setting
    'primary_care'

    Args:
        lines: the lines of the file; empty ones are passed over.
        model: the model whose findings, causes and settings the cases name.
        name: what to call the file in an error.

    Raises:
        CaseFileError: a line is no such case, with its number and what to do.
    """
    cases = [_read_case(line, model, f"{name}, line {n}") for n, line in enumerate(lines, 1) if line.strip()]
    if not any(case.accepted for case in cases):
        raise CaseFileError(f"{name}: has no case with an accepted cause; see docs/validation.md for the form")
    return tuple(cases)


def validate(model: Model, cases: Sequence[KnownCase]) -> dict[str, Any]:
    """Score the network and its plainer relatives on known cases.

    >>> import legdx
    >>> model = legdx.load_model()
    >>> line = '{"id": "one", "findings": {"saddle_numbness": true}, "accepted": ["cauda_equina_syndrome"]}'
    >>> document = validate(model, read_cases([line], model))
    >>> document["figures"][0]["comparator"], document["figures"][0]["top1"]["value"]
    ('network', 1.0)

    Args:
        model: a loaded model.
        cases: from `read_cases`; one at least has an accepted cause.

    Returns:
        a document of plain values: `figures` by set, findings and comparator, `calibration`, `reliability`,
        `outside`, `by_category` and `by_presentation`. Shares lie between 0 and 1; log loss is in nats.
    """
    without_tests = [_without_tests(model, case) for case in cases]
    runs = {("all findings", name): _posteriors(model, cases, name) for name in COMPARATORS}
    runs |= {("no tests", name): _posteriors(model, without_tests, name) for name in COMPARATORS[:-1]}
    known = [n for n, case in enumerate(cases) if case.accepted]
    scored = {key: score(p[known], _accepted(model, [cases[n] for n in known])) for key, p in runs.items()}
    network = {findings: runs[findings, "network"] for findings in ("all findings", "no tests")}
    of_known, whole = [cases[n] for n in known], scored["all findings", "network"]
    return {
        "model": {"id": model.id, "version": model.version, "digest": model.digest},
        "cases": len(cases),
        "outside": _outside(model, cases, network["all findings"]),
        "figures": _figures(of_known, scored),
        "calibration": [
            row for findings, p in network.items() for row in _calibration(model, cases, known, findings, p)
        ],
        "reliability": [asdict(b) for b in reliability(whole.confidence, whole.right, BINS[0])],
        "by_category": _grouped(of_known, scored, lambda case: model.causes[case.cause or case.accepted[0]].category),
        "by_presentation": _grouped(of_known, scored, lambda case: case.presentation or "not recorded"),
    }


def _posteriors(model: Model, cases: Sequence[KnownCase], comparator: str) -> Array:
    tables = {
        "network": lambda: model.tables,
        "naive Bayes": lambda: flattened(model.tables),
        "uniform priors": lambda: with_uniform_prior(model.tables),
        "prior alone": lambda: model.tables,
    }[comparator]()
    findings = [{} if comparator == "prior alone" else case.findings for case in cases]
    block = [parse_evidence(model.vocabulary, one) for one in findings]
    return infer_block(tables, block, [model.setting_index(case.setting) for case in cases]).probability


def _without_tests(model: Model, case: KnownCase) -> KnownCase:
    evidence = parse_evidence(model.vocabulary, case.findings)
    kept = {name: value for name, value in evidence.named().items() if model.findings[name].kind != "test"}
    return replace(case, findings=kept)


def _accepted(model: Model, cases: Sequence[KnownCase], outside: str = "") -> list[list[bool]]:
    """One line a case, one column a cause: whether it counts as right; `outside` stands where none is named."""
    right = [set(case.accepted) or {outside} for case in cases]
    return [[cause in one for cause in model.causes.keys()] for one in right]


def _figures(cases: Sequence[KnownCase], scored: Mapping[tuple[str, str], Scored]) -> list[dict[str, Any]]:
    sets = list(dict.fromkeys(case.set for case in cases))
    rows = []
    for name in (*sets, "together") if len(sets) > 1 else sets:
        lines = [n for n, case in enumerate(cases) if name in (case.set, "together")]
        for (findings, comparator), one in scored.items():
            values = {f"top{k}": one.rank[lines] <= k for k in (1, 3, 5)}
            figures = {key: asdict(figure(value)) for key, value in values.items()}
            figures |= {"brier": asdict(figure(one.brier[lines])), "log_loss": asdict(figure(one.log_loss[lines]))}
            rows.append({"set": name, "findings": findings, "comparator": comparator, "n": len(lines)} | figures)
    return rows


def _calibration(
    model: Model, cases: Sequence[KnownCase], known: Sequence[int], findings: str, probability: Array
) -> list[dict[str, Any]]:
    catch_all = model.spec.manifest.catch_all
    parts = [("cases with an accepted cause", known)]
    if len(known) < len(cases) and catch_all:
        parts.append((f"all cases, {catch_all} being right outside the model", range(len(cases))))
    rows = []
    for title, lines in parts:
        chosen = list(lines)
        one = score(probability[chosen], _accepted(model, [cases[n] for n in chosen], catch_all))
        for bins in BINS:
            error = calibration_error(one.confidence, one.right, bins)
            chance = asdict(error_if_calibrated(one.confidence, bins))
            shares = {"confidence": float(one.confidence.mean()), "right": float(one.right.mean())}
            rows.append(
                {"cases": title, "findings": findings, "n": len(chosen), "bins": bins, "error": error, "chance": chance}
                | shares
            )
    return rows


def _outside(model: Model, cases: Sequence[KnownCase], probability: Array) -> dict[str, Any]:
    catch_all = model.spec.manifest.catch_all
    lines = [n for n, case in enumerate(cases) if not case.accepted]
    if not lines or catch_all not in model.causes:
        return {"n": len(lines)}
    one = score(probability[lines], _accepted(model, [cases[n] for n in lines], catch_all))
    return {
        "n": len(lines),
        "top1": float((one.rank <= 1).mean()),
        "top3": float((one.rank <= 3).mean()),
        "confidence": float(one.confidence.mean()),
    }


def _grouped(
    cases: Sequence[KnownCase], scored: Mapping[tuple[str, str], Scored], key: Callable[[KnownCase], str]
) -> list[dict[str, Any]]:
    groups: dict[str, list[int]] = {}
    for n, case in enumerate(cases):
        groups.setdefault(key(case), []).append(n)
    whole, bedside = scored["all findings", "network"], scored["no tests", "network"]
    return [
        {"group": name, "n": len(lines)}
        | {f"top{k}": float((whole.rank[lines] <= k).mean()) for k in (1, 3)}
        | {f"top{k}_no_tests": float((bedside.rank[lines] <= k).mean()) for k in (1, 3)}
        for name, lines in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    ]


def _read_case(line: str, model: Model, where: str) -> KnownCase:
    try:
        raw = json.loads(line)
    except json.JSONDecodeError as error:
        raise CaseFileError(f"{where}: is not JSON: {error}; write one case a line") from error
    if not isinstance(raw, dict) or not {"id", "findings", "accepted"} <= set(raw):
        raise CaseFileError(f'{where}: write {{"id": ..., "findings": {{...}}, "accepted": [...]}}')
    for key in raw:
        if key not in _KEYS:
            raise CaseFileError(f"{where}: unknown key {shown(key)}; {nearest(key, _KEYS)}")
    texts = {key: _text(raw, key, default, where) for key, default in _TEXTS.items()}
    accepted = raw["accepted"]
    if not isinstance(accepted, list):
        raise CaseFileError(f"{where}: accepted is {shown(accepted)}; write a list of cause ids, or []")
    try:
        model.setting_index(texts["setting"])
        for cause in (*accepted, *([texts["cause"]] if texts["cause"] else [])):
            _ = model.causes[cause]
        parse_evidence(model.vocabulary, raw["findings"])
    except LegdxError as error:
        raise CaseFileError(f"{where}: {error}") from error
    return KnownCase(**texts, findings=raw["findings"], accepted=tuple(accepted), emergency=raw.get("emergency"))


def _text(raw: Mapping[str, Any], key: str, default: str, where: str) -> str:
    value = raw.get(key)
    if value is None:
        return default
    if not isinstance(value, str):
        raise CaseFileError(f"{where}: {key} is {shown(value)}; write a text in quotes")
    return value
