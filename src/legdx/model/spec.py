"""The specification of a model as frozen values, read from parsed documents. Internal but for `Cause`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from legdx.errors import nearest
from legdx.model.fields import Faults, Row, Table, read_row
from legdx.model.vocabulary import KINDS, Vocabulary, read_vocabulary

__all__ = ["EXPERT", "Cause", "Manifest", "Mechanism", "Prior", "Source", "Spec", "read_spec"]

SCHEMA_VERSION = 1
EXPERT = "expert_estimate"
ERROR_KINDS = (*KINDS, "mechanism")
MANIFEST_KEYS = (
    "schema_version", "id", "label", "version", "population", "intended_use", "licence", "catch_all",
    "settings", "calibration", "reporting_error",
)  # fmt: skip
CAUSE_KEYS = (
    "label", "family", "category", "needs_emergency_care", "codes", "aliases", "description", "work_up",
    "care", "text_source", "prior", "mechanisms", "findings",
)  # fmt: skip
MECHANISM_KEYS = ("label", "note", "states", "background", "findings")
SOURCE_KEYS = ("citation", "url", "kind", "n", "note")


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """What the model is, for whom, and how often what is written down is wrong."""

    id: str
    label: str
    version: str
    population: str
    intended_use: str
    licence: str
    catch_all: str
    settings: Mapping[str, str]
    estimate_power: float
    reporting_error: Mapping[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A publication, guideline or other origin of numbers."""

    id: str
    citation: str
    url: str
    kind: str
    n: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Mechanism:
    """A latent node on which findings hang that express the same thing."""

    id: str
    label: str
    note: str
    states: tuple[str, ...]
    background: Row
    findings: Mapping[str, Mapping[str, Row]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Prior:
    """P(cause | setting) with what it rests on."""

    p: float
    strength: float
    sources: tuple[str, ...]
    note: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Cause:
    """One cause of the complaint.

    >>> import legdx
    >>> legdx.load_model().causes["guillain_barre_syndrome"].category
    'peripheral_nerve'
    """

    id: str
    label: str
    family: str
    category: str
    needs_emergency_care: bool
    codes: tuple[str, ...]
    aliases: tuple[str, ...]
    description: str
    work_up: str
    care: str
    text_sources: tuple[str, ...]
    prior: Mapping[str, Prior]
    mechanisms: Mapping[str, Row]
    findings: Mapping[str, Row]


@dataclass(frozen=True, kw_only=True, slots=True)
class Spec:
    """A whole model, as written."""

    manifest: Manifest
    vocabulary: Vocabulary
    mechanisms: tuple[Mechanism, ...]
    causes: tuple[Cause, ...]
    sources: Mapping[str, Source]


def read_spec(documents: Mapping[str, Any], faults: Faults, causes: tuple[Cause, ...] | None = None) -> Spec:
    """Read all documents of a folder but the rules, and report what is wrong with their shape.

    Causes that were read before may be given; else they are read from the documents under `causes/`.
    """
    manifest = _read_manifest(Table(documents.get("manifest.toml", {}), "manifest.toml:", faults))
    vocabulary = read_vocabulary(documents.get("findings.toml", {}), faults)
    root = Table(documents.get("mechanisms.toml", {}), "mechanisms.toml:", faults)
    mechanisms = tuple(_read_mechanism(id, root.table(id), vocabulary) for id in root.keys())
    if causes is None:
        causes = _read_causes(documents, faults, manifest, vocabulary, mechanisms)
    root = Table(documents.get("sources.toml", {}), "sources.toml:", faults)
    sources = {id: _read_source(id, root.table(id)) for id in root.keys()}
    return Spec(manifest=manifest, vocabulary=vocabulary, mechanisms=mechanisms, causes=causes, sources=sources)


def _read_causes(
    documents: Mapping[str, Any],
    faults: Faults,
    manifest: Manifest,
    vocabulary: Vocabulary,
    mechanisms: tuple[Mechanism, ...],
) -> tuple[Cause, ...]:
    causes = []
    for name in sorted(name for name in documents if name.startswith("causes/")):
        table = Table(documents[name], f"{name}:", faults)
        causes.append(_read_cause(PurePosixPath(name).stem, table, manifest, vocabulary, mechanisms))
    if not causes:
        faults.add("causes/", "holds no cause", "add a file for each cause")
    return tuple(causes)


def _read_manifest(table: Table) -> Manifest:
    version = table.whole("schema_version")
    if table.has("schema_version") and version != SCHEMA_VERSION:
        table.fault("schema_version", f"is {version}", f"this legdx reads version {SCHEMA_VERSION}")
    settings = table.table("settings", required=True)
    calibration = table.table("calibration")
    error = table.table("reporting_error", required=True)
    manifest = Manifest(
        id=table.text("id"),
        label=table.text("label"),
        version=table.text("version"),
        population=table.text("population"),
        intended_use=table.text("intended_use"),
        licence=table.text("licence"),
        catch_all=table.text("catch_all", ""),
        settings={key: settings.text(key) for key in settings.keys()},
        estimate_power=calibration.number("estimate_power", 0.5, 2.0, 1.0),
        reporting_error={kind: error.number(kind, 0.0, 0.5) for kind in ERROR_KINDS},
    )
    if not manifest.settings:
        table.fault("settings", "names no setting", "name one at least")
    calibration.close(("estimate_power",))
    error.close(ERROR_KINDS)
    table.close(MANIFEST_KEYS)
    return manifest


def _read_mechanism(id: str, table: Table, vocabulary: Vocabulary) -> Mechanism:
    states = table.texts("states")
    if len(states) < 2 or len(set(states)) != len(states):
        table.fault("states", f"are {list(states)}", "give two or more, each once")
    background = read_row(table, "background", states)
    hanging = table.table("findings", required=True)
    findings: dict[str, dict[str, Row]] = {}
    for name in hanging.keys():
        rows = hanging.table(name)
        if name not in vocabulary.index:
            hanging.fault(name, "no such finding", "take one of findings.toml")
            continue
        legal = vocabulary.findings[vocabulary.index[name]].states
        findings[name] = {state: read_row(rows, state, legal) for state in states if rows.has(state)}
        rows.close(states)
    mechanism = Mechanism(
        id=id,
        label=table.text("label"),
        note=table.text("note", ""),
        states=states,
        background=background,
        findings=findings,
    )
    table.close(MECHANISM_KEYS)
    return mechanism


def _read_cause(
    id: str, table: Table, manifest: Manifest, vocabulary: Vocabulary, mechanisms: tuple[Mechanism, ...]
) -> Cause:
    prior = table.table("prior", required=True)
    power = 1.0 if id == manifest.catch_all else manifest.estimate_power
    cause = Cause(
        id=id,
        label=table.text("label"),
        family=table.text("family"),
        category=table.text("category"),
        needs_emergency_care=table.flag("needs_emergency_care"),
        codes=table.texts("codes", ()),
        aliases=table.texts("aliases", ()),
        description=table.text("description"),
        work_up=table.text("work_up"),
        care=table.text("care"),
        text_sources=table.texts("text_source"),
        prior={setting: _read_prior(prior.table(setting)) for setting in manifest.settings if prior.has(setting)},
        mechanisms=_read_rows(table.table("mechanisms"), {m.id: m.states for m in mechanisms}, "mechanism", power),
        findings=_read_rows(table.table("findings"), {f.id: f.states for f in vocabulary.findings}, "finding", power),
    )
    prior.close(manifest.settings)
    table.close(CAUSE_KEYS)
    return cause


def _read_rows(table: Table, states: Mapping[str, tuple[str, ...]], kind: str, power: float) -> dict[str, Row]:
    rows = {}
    for name in table.keys():
        if name not in states:
            table.raw(name)
            table.fault(name, f"no such {kind}", nearest(name, states))
            continue
        rows[name] = _calibrated(read_row(table, name, states[name]), power)
    return rows


def _calibrated(row: Row, power: float) -> Row:
    """A row that is an estimate alone, with its probabilities raised to a power and rescaled; any other as it is."""
    total = sum(p**power for p in row.p)
    if row.sources != (EXPERT,) or power == 1.0 or not total:
        return row
    return replace(row, p=tuple(p**power / total for p in row.p))


def _read_prior(table: Table) -> Prior:
    prior = Prior(
        p=table.number("p", 0.0, 1.0),
        strength=table.number("strength", 1e-6, 1e9),
        sources=table.texts("source"),
        note=table.text("note", ""),
    )
    table.close(("p", "strength", "source", "note"))
    return prior


def _read_source(id: str, table: Table) -> Source:
    source = Source(
        id=id,
        citation=table.text("citation"),
        url=table.text("url", ""),
        kind=table.text("kind"),
        n=table.whole("n", 0),
    )
    table.text("note", "-")
    table.close(SOURCE_KEYS)
    return source
