"""The exception tree of legdx.

LegdxError
├── ModelError                a model folder cannot be used; ``.faults`` lists every fault
│   ├── ModelFormatError      its shape is wrong (unreadable, unknown key, wrong type)
│   └── ModelMeaningError     its shape is right and its meaning is not (does not sum to 1, no source)
├── EvidenceError             what was said of the person cannot be used; ``.faults`` lists every fault
│   ├── EvidenceShapeError    it is not a mapping at all
│   └── ImpossibleEvidence    the model gives it probability zero; ``.findings`` are in conflict
├── UnknownNameError          a cause, setting, rule or other name that the model does not have
├── CaseFileError             a file given to the command line cannot be read
└── MissingExtraError         an optional package is not installed

The facts are attributes; the text says what, where and what to do.
"""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = [
    "CaseFileError",
    "EvidenceError",
    "EvidenceShapeError",
    "Fault",
    "ImpossibleEvidence",
    "LegdxError",
    "MissingExtraError",
    "ModelError",
    "ModelFormatError",
    "ModelMeaningError",
    "UnknownNameError",
    "nearest",
    "shown",
]

_FAULTS_SHOWN = 20
_brief = reprlib.Repr()
_brief.maxstring = _brief.maxother = _brief.maxlong = 60
_brief.maxlist = _brief.maxtuple = _brief.maxdict = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One thing that is wrong: where, what, and what to do about it.

    >>> print(Fault(where="reflexes", problem="no state 'gone'", fix="use one of: normal, brisk"))
    reflexes: no state 'gone'; use one of: normal, brisk
    """

    where: str
    problem: str
    fix: str

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}; {self.fix}"


class LegdxError(Exception):
    """Anything that legdx raises on purpose.

    >>> issubclass(EvidenceError, LegdxError) and issubclass(ModelError, LegdxError)
    True
    """


class _Faulty(LegdxError):
    """An error that carries every fault of one input, and a message of bounded length."""

    heading = "{} faults"

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__(self._text())

    def _text(self) -> str:
        lines = [self.heading.format(_count(self.faults))]
        lines += [f"  {_cut(str(fault))}" for fault in self.faults[:_FAULTS_SHOWN]]
        if len(self.faults) > _FAULTS_SHOWN:
            lines.append(f"  and {len(self.faults) - _FAULTS_SHOWN} more: see .faults")
        return "\n".join(lines)

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        return type(self), (self.faults,)


class ModelError(_Faulty):
    """A model folder cannot be used.

    >>> raise ModelError([Fault(where="manifest.toml", problem="missing", fix="add it")])
    Traceback (most recent call last):
        ...
    legdx.errors.ModelError: the model has 1 fault:
      manifest.toml: missing; add it
    """

    heading = "the model has {}:"


class ModelFormatError(ModelError):
    """The shape of a model folder is wrong: unreadable, an unknown key, a wrong type.

    >>> issubclass(ModelFormatError, ModelError)
    True
    """


class ModelMeaningError(ModelError):
    """The shape of a model folder is right and its meaning is not.

    >>> issubclass(ModelMeaningError, ModelError)
    True
    """


class EvidenceError(_Faulty, ValueError):
    """What was said of the person cannot be used as it stands.

    >>> raise EvidenceError([Fault(where="reflex", problem="no such finding", fix="use 'reflexes'")])
    Traceback (most recent call last):
        ...
    legdx.errors.EvidenceError: the findings have 1 fault:
      reflex: no such finding; use 'reflexes'
    """

    heading = "the findings have {}:"


class EvidenceShapeError(EvidenceError, TypeError):
    """The findings are not a mapping from names to values.

    >>> issubclass(EvidenceShapeError, (EvidenceError, TypeError))
    True
    """


class ImpossibleEvidence(EvidenceError):
    """The model gives the findings probability zero: these exclude each other.

    >>> ImpossibleEvidence({"reflexes": "brisk", "tone": "flaccid"}).findings
    {'reflexes': 'brisk', 'tone': 'flaccid'}
    """

    heading = "the findings are impossible under this model, {}:"

    def __init__(self, findings: dict[str, str]) -> None:
        self.findings = dict(findings)
        listing = ", ".join(f"{name} = {value}" for name, value in self.findings.items())
        super().__init__(
            [
                Fault(
                    where=listing,
                    problem="no cause allows these together",
                    fix="check each of them, or give the model a reporting error over 0",
                )
            ]
        )

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        return type(self), (self.findings,)


class UnknownNameError(LegdxError, LookupError):
    """A name that the model does not have, with the nearest that it has.

    >>> raise UnknownNameError("cause", "strok", ["stroke", "sepsis"])
    Traceback (most recent call last):
        ...
    legdx.errors.UnknownNameError: no cause 'strok'; did you mean 'stroke'?
    """

    def __init__(self, kind: str, name: object, known: Iterable[str]) -> None:
        self.kind = kind
        self.name = name
        self.known = tuple(known)
        super().__init__(f"no {kind} {shown(name)}; {nearest(name, self.known)}")

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        return type(self), (self.kind, self.name, self.known)


class CaseFileError(LegdxError):
    """A file given to the command line cannot be read as a case.

    >>> raise CaseFileError("case.json: not JSON; see docs/examples for one that is")
    Traceback (most recent call last):
        ...
    legdx.errors.CaseFileError: case.json: not JSON; see docs/examples for one that is
    """


class MissingExtraError(LegdxError, ImportError):
    """An optional package is needed for this and is not installed.

    >>> raise MissingExtraError("matplotlib", "plot")
    Traceback (most recent call last):
        ...
    legdx.errors.MissingExtraError: this needs matplotlib; install it with: pip install "legdx[plot]"
    """

    def __init__(self, package: str, extra: str) -> None:
        self.package = package
        self.extra = extra
        super().__init__(f'this needs {package}; install it with: pip install "legdx[{extra}]"')

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        return type(self), (self.package, self.extra)


def nearest(name: object, known: Iterable[str]) -> str:
    """Say which known name is nearest to one that is not known, or which there are.

    >>> nearest("strok", ["stroke", "sepsis"])
    "did you mean 'stroke'?"
    >>> nearest("x", ["stroke", "sepsis"])
    'use one of: stroke, sepsis'
    """
    names = list(known)
    word = name.strip().lower()[:80] if isinstance(name, str) else ""
    close = difflib.get_close_matches(word, names, n=1) if word else []
    if close:
        return f"did you mean {close[0]!r}?"
    listing = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    return f"use one of: {listing}" if names else "there are none"


def shown(value: object) -> str:
    """Return the value as a short text of one line that is safe to put in a message.

    >>> len(shown("x" * 1000)) < 80
    True
    """
    try:
        return " ".join(_brief.repr(value).split())
    except Exception:
        return f"<{type(value).__name__}>"


def _count(faults: Sequence[Fault]) -> str:
    return f"{len(faults)} fault" + ("" if len(faults) == 1 else "s")


def _cut(line: str, width: int = 400) -> str:
    return line if len(line) <= width else line[: width - 3] + "..."
