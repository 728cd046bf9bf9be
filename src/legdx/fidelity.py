"""Holds the network to the literature: P(finding state | cause) beside each published value and its interval.

A row of `literature.csv` gives a share p of the patients with a cause (``*``: of people without it), and counts where
the publication states them. Its interval is Wilson's 95% interval for a binomial share (Wilson, J Am Stat Assoc 1927;
22: 209-212). The network's number for a cause is the finding's distribution with its mechanism summed out; for ``*`` it
is the background, which is what a cause takes that says nothing about the finding.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from legdx.errors import Fault, ModelFormatError, nearest
from legdx.inference.tables import Array, finding_table, mechanism_table, softened
from legdx.loaded import Model
from legdx.model import store
from legdx.model.spec import Cause, Spec
from legdx.model.vocabulary import Finding

__all__ = ["ANYONE", "NEAR", "Comparison", "agreement", "compare", "fidelity_csv", "fidelity_text", "wilson"]

ANYONE = "*"
NEAR = 0.10
_Z95 = 1.959963984540054


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """One published value beside what the network says.

    >>> import legdx
    >>> row = next(row for row in compare(legdx.load_model()) if row.cause == "guillain_barre_syndrome")
    >>> row.grade in "AB", row.finding in legdx.load_model().findings
    (True, True)

    `use` is the decision whether the row measures what the network states: ``held``, ``held: why it departs``, or
    ``aside: why it is not the same quantity or people``.
    """

    row: str
    grade: str
    cause: str
    finding: str
    state: str
    published: float
    low: float | None
    high: float | None
    network: float
    without_error: float
    verdict: str
    use: str
    reason: str
    population: str
    source: str

    @property
    def is_held(self) -> bool:
        """Whether the row counts for the share that must agree."""
        return not self.use.startswith("aside")

    @property
    def agrees(self) -> bool:
        """Whether the network lies inside the interval or within 0.10 of the published value."""
        return self.verdict != "off"


def compare(model: Model, grades: Sequence[str] = ("A", "B")) -> tuple[Comparison, ...]:
    """Compare the network with every likelihood and background row of the grades given.

    >>> import legdx
    >>> rows = compare(legdx.load_model(), grades=("A",))
    >>> {row.verdict for row in rows} <= {"inside", "near", "off"}, all(row.grade == "A" for row in rows)
    (True, True)

    Args:
        model: a loaded model whose folder holds `literature.csv`.
        grades: which grades of evidence to compare; A is the best.

    Returns:
        a comparison for each row, in the order of the file; prior rows and other grades are left out.

    Raises:
        ModelFormatError: a row names a cause, finding or state that the model does not have; all are named.
    """
    rows = store.read_literature(model.folder) if model.folder else []
    asked = [row for row in rows if row["grade"] in grades and not row["finding"].startswith("_")]
    faults = [fault for row in asked for fault in _faults(model, row)]
    if faults:
        raise ModelFormatError(faults)
    with_error, without = _shares(model.spec, reporting=True), _shares(model.spec, reporting=False)
    return tuple(_compared(model, row, with_error, without) for row in asked)


def agreement(rows: Sequence[Comparison]) -> float:
    """The share of rows that agree; NaN where there are none.

    >>> import legdx
    >>> held = [row for row in compare(legdx.load_model()) if row.grade == "A" and row.use.startswith("held")]
    >>> agreement(held) > 0.9
    True
    """
    return sum(row.agrees for row in rows) / len(rows) if rows else math.nan


def wilson(share: float, n: float) -> tuple[float, float]:
    """Wilson's 95% interval for a binomial share.

    >>> low, high = wilson(0.5, 100)
    >>> round(low, 4), round(high, 4)
    (0.4038, 0.5962)

    Args:
        share: the observed share, 0 to 1.
        n: the number of people observed.
    """
    z2 = _Z95 * _Z95
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z95 * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(0.0, middle - half), min(1.0, middle + half)


def fidelity_text(rows: Sequence[Comparison]) -> str:
    """A summary by grade, then each row that departs, with its reason.

    >>> import legdx
    >>> fidelity_text(compare(legdx.load_model())).split()[:3]
    ['grade', 'rows', 'of']
    """
    lines = ["grade  rows of     rows  inside  near  off  agree   of them held  off  agree"]
    for grade in sorted({row.grade for row in rows}):
        of_grade = [row for row in rows if row.grade == grade]
        for title, part in (
            ("causes", [row for row in of_grade if row.cause != ANYONE]),
            ("background", [row for row in of_grade if row.cause == ANYONE]),
            ("both", of_grade),
        ):
            if part:
                lines.append(f"{grade:<5}  {title:<10} {_counts(part)}")
    lines += ["", f"near: within {NEAR:.2f} of the published value. Held: the row measures what the network states."]
    for title, chosen in (
        ("Held, and off:", [row for row in rows if row.is_held and not row.agrees]),
        ("Set aside, and off:", [row for row in rows if not row.is_held and not row.agrees]),
    ):
        lines += ["", title, *(_line(row) for row in chosen)]
    return "\n".join(lines)


def fidelity_csv(rows: Sequence[Comparison]) -> str:
    """Every comparison as one line of CSV, for a spreadsheet.

    >>> import legdx
    >>> fidelity_csv(compare(legdx.load_model())[:1]).splitlines()[0].split(",")[:4]
    ['row', 'grade', 'cause', 'finding']
    """
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(Comparison.__slots__), lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    return stream.getvalue()


def _faults(model: Model, row: Mapping[str, str]) -> list[Fault]:
    where = f"literature.csv: {row['row']}"
    if row["cause"] != ANYONE and row["cause"] not in model.causes:
        return [
            Fault(where=where, problem=f"no cause {row['cause']!r}", fix=nearest(row["cause"], model.causes.keys()))
        ]
    if row["finding"] not in model.findings:
        fix = nearest(row["finding"], model.findings.keys())
        return [Fault(where=where, problem=f"no finding {row['finding']!r}", fix=fix)]
    states = model.findings[row["finding"]].states
    if row["state"] not in states:
        return [Fault(where=where, problem=f"no state {row['state']!r}", fix=nearest(row["state"], states))]
    return []


def _compared(
    model: Model, row: Mapping[str, str], with_error: Mapping[str, Array], without: Mapping[str, Array]
) -> Comparison:
    finding = model.findings[row["finding"]]
    line = -1 if row["cause"] == ANYONE else model.causes.keys().index(row["cause"])
    state = finding.states.index(row["state"])
    published = float(row["p"])
    n = float(row["denominator"] or 0)
    low, high = wilson(published, n) if n else (None, None)
    network = float(with_error[finding.id][line, state])
    inside = low is not None and high is not None and low <= network <= high
    use = row.get("use") or "held"
    return Comparison(
        row=row["row"],
        grade=row["grade"],
        cause=row["cause"],
        finding=finding.id,
        state=row["state"],
        published=published,
        low=low,
        high=high,
        network=network,
        without_error=float(without[finding.id][line, state]),
        verdict="inside" if inside else "near" if abs(network - published) <= NEAR else "off",
        use=use,
        reason=use.partition(": ")[2] or _note(model.spec, row["cause"], finding),
        population=row["population"],
        source=row["source"],
    )


def _shares(spec: Spec, *, reporting: bool) -> dict[str, Array]:
    """P(finding state | cause) by finding: one line a cause, and last the background."""
    error = spec.manifest.reporting_error if reporting else dict.fromkeys(spec.manifest.reporting_error, 0.0)
    by_id = {m.id: m for m in spec.mechanisms}
    # A cause that is silent about everything: its line is the background of each table.
    silent = (*spec.causes, _silent(spec))
    shares = {}
    for finding in spec.vocabulary.findings:
        mechanism = by_id.get(finding.parent)
        table = softened(finding_table(finding, silent, mechanism), error[finding.kind])
        if mechanism is not None:
            table = softened(mechanism_table(mechanism, silent), error["mechanism"]) @ table
        shares[finding.id] = table
    return shares


def _silent(spec: Spec) -> Cause:
    return replace(spec.causes[0], id=ANYONE, mechanisms={}, findings={})


def _note(spec: Spec, cause_id: str, finding: Finding) -> str:
    """The note that the author of the model wrote on the row behind the network's number."""
    if cause_id == ANYONE:
        return finding.background.note
    cause = next(c for c in spec.causes if c.id == cause_id)
    row = cause.findings.get(finding.id) if finding.parent == "cause" else cause.mechanisms.get(finding.parent)
    return row.note if row else ""


def _counts(part: Sequence[Comparison]) -> str:
    tally = {verdict: sum(row.verdict == verdict for row in part) for verdict in ("inside", "near", "off")}
    held = [row for row in part if row.is_held]
    off = sum(not row.agrees for row in held)
    return (
        f"{len(part):5}  {tally['inside']:6}  {tally['near']:4}  {tally['off']:3}  {agreement(part):5.1%}"
        f"   {len(held):12}  {off:3}  {agreement(held):5.1%}"
    )


def _line(row: Comparison) -> str:
    interval = f" ({row.low:.2f}-{row.high:.2f})" if row.low is not None else ""
    return (
        f"  {row.row} {row.grade} {row.cause}: {row.finding} = {row.state}: network {row.network:.2f}, published "
        f"{row.published:.2f}{interval}\n      {row.reason or 'no reason given'}"
    )
