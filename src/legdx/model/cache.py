"""The checked form of a model for the parse cache: as read, with the rows of its causes packed into lists. Internal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from legdx.model.fields import Faults, Row
from legdx.model.spec import Cause, Prior, Spec, read_spec

__all__ = ["packed", "unpacked"]

_PACKED = ("prior", "mechanisms", "findings")
_TEXTS = tuple(field.name for field in fields(Cause) if field.name not in _PACKED)


def packed(spec: Spec, documents: Mapping[str, Any]) -> dict[str, Any]:
    """The documents without the cause files, and the causes as plain lists."""
    plain: dict[str, Any] = {name: doc for name, doc in documents.items() if not name.startswith("causes/")}
    plain["causes"] = [
        {name: getattr(cause, name) for name in _TEXTS}
        | {"prior": {s: [p.p, p.strength, p.sources, p.note] for s, p in cause.prior.items()}}
        | {part: {k: _pack_row(row) for k, row in getattr(cause, part).items()} for part in ("mechanisms", "findings")}
        for cause in spec.causes
    ]
    return plain


def unpacked(plain: Mapping[str, Any]) -> Spec:
    """The specification that was packed; it passed every check before."""
    causes = tuple(_unpack_cause(cause) for cause in plain["causes"])
    return read_spec(plain, Faults(), causes)


def _pack_row(row: Row) -> list[Any]:
    return [row.p, row.strength, row.sources, row.counts, row.note]


def _unpack_cause(plain: Mapping[str, Any]) -> Cause:
    texts: dict[str, Any] = {
        name: tuple(plain[name]) if isinstance(plain[name], list) else plain[name] for name in _TEXTS
    }
    rows = {
        part: {
            key: Row(
                p=tuple(p),
                strength=strength,
                sources=tuple(sources),
                counts=(counts[0], counts[1]) if counts else None,
                note=note,
            )
            for key, (p, strength, sources, counts, note) in plain[part].items()
        }
        for part in ("mechanisms", "findings")
    }
    prior = {
        setting: Prior(p=p, strength=strength, sources=tuple(sources), note=note)
        for setting, (p, strength, sources, note) in plain["prior"].items()
    }
    return Cause(prior=prior, mechanisms=rows["mechanisms"], findings=rows["findings"], **texts)
