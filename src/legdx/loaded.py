"""A loaded model: its specification, its rules and its compiled network, held together and immutable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from legdx.errors import ModelFormatError, ModelMeaningError, UnknownNameError
from legdx.model import store
from legdx.model.check import check_spec
from legdx.model.fields import Faults
from legdx.model.spec import Cause, Spec, read_spec
from legdx.model.vocabulary import Finding, Vocabulary, read_vocabulary
from legdx.redflags import RuleSet, check_rules, read_rules

if TYPE_CHECKING:
    from pgmpy.models import DiscreteBayesianNetwork

    from legdx.inference.tables import Tables

__all__ = ["Catalogue", "Model", "load_model", "load_rules"]

Item = TypeVar("Item", Finding, Cause)


class Catalogue(Generic[Item]):
    """Findings or causes in order, looked up by id.

    >>> import legdx
    >>> findings = legdx.load_model().findings
    >>> findings["reflexes"].kind, "fever" in findings, len(findings)
    ('sign', True, 162)
    """

    __slots__ = ("_by_id", "_kind")

    def __init__(self, kind: str, items: tuple[Item, ...]) -> None:
        self._kind = kind
        self._by_id: Mapping[str, Item] = {item.id: item for item in items}

    def __getitem__(self, id: str) -> Item:
        try:
            return self._by_id[id]
        except (KeyError, TypeError):
            raise UnknownNameError(self._kind, id, self._by_id) from None

    def __iter__(self) -> Iterator[Item]:
        return iter(self._by_id.values())

    def __contains__(self, id: object) -> bool:
        return id in self._by_id

    def __len__(self) -> int:
        return len(self._by_id)

    def keys(self) -> tuple[str, ...]:
        """The ids, in order."""
        return tuple(self._by_id)

    def __repr__(self) -> str:
        return f"<{len(self)} {self._kind}s: {', '.join(list(self._by_id)[:3])}, ...>"


class Model:
    """A model that has been checked and can rank.

    >>> import legdx
    >>> model = legdx.load_model()
    >>> model.id, len(model.causes), len(model.findings)
    ('leg_weakness', 82, 162)
    """

    def __init__(self, spec: Spec, rules: RuleSet, digest: str, folder: Path | None = None) -> None:
        self.spec = spec
        self.rules = rules
        self.digest = digest
        self.folder = folder

    @property
    def id(self) -> str:
        """The model's name, from its manifest."""
        return self.spec.manifest.id

    @property
    def version(self) -> str:
        """The version of the model's content, from its manifest."""
        return self.spec.manifest.version

    @property
    def settings(self) -> tuple[str, ...]:
        """Where a person may present; each has its own prior."""
        return tuple(self.spec.manifest.settings)

    @property
    def vocabulary(self) -> Vocabulary:
        """The findings in the numbering of the engine."""
        return self.spec.vocabulary

    @cached_property
    def findings(self) -> Catalogue[Finding]:
        """All findings, by id."""
        return Catalogue("finding", self.spec.vocabulary.findings)

    @cached_property
    def causes(self) -> Catalogue[Cause]:
        """All causes, by id."""
        return Catalogue("cause", self.spec.causes)

    @cached_property
    def tables(self) -> Tables:
        """The compiled network."""
        from legdx.inference.tables import compile_tables

        return compile_tables(self.spec)

    def setting_index(self, setting: str) -> int:
        """The number of a setting; `UnknownNameError` if there is none of that name."""
        try:
            return self.settings.index(setting)
        except ValueError:
            raise UnknownNameError("setting", setting, self.settings) from None

    def to_pgmpy(self) -> DiscreteBayesianNetwork:
        """The same network in pgmpy, with every node and every state's name.

        >>> import legdx
        >>> network = legdx.load_model().to_pgmpy()
        >>> network.check_model(), network.get_parents("reflexes")
        (True, ['motor_level'])
        """
        from legdx.interop.pgmpy import to_pgmpy

        return to_pgmpy(self)

    def __reduce__(self) -> tuple[Any, ...]:
        if self.folder is None:
            return super().__reduce__()  # type: ignore[return-value]
        return _load_again, (str(self.folder), self.digest)

    def __repr__(self) -> str:
        return f"<Model {self.id} {self.version}: {len(self.causes)} causes, {len(self.findings)} findings>"


def load_model(path: str | Path | None = None) -> Model:
    """Load a model folder, check it, and make it ready to rank.

    >>> import legdx
    >>> legdx.load_model()
    <Model leg_weakness 0.1.0: 82 causes, 162 findings>

    Args:
        path: a model folder; None: the leg weakness model that legdx ships.

    Raises:
        ModelFormatError: its shape is wrong; every fault is named with its file and key.
        ModelMeaningError: its shape is right and its meaning is not; every fault is named.
    """
    folder = store.default_folder() if path is None else Path(path)
    documents, digest, from_cache = store.read_folder(folder)
    faults = Faults()
    spec = read_spec(documents, faults)
    rules = read_rules(documents["red_flags.toml"], spec.vocabulary, faults)
    if faults.found:
        raise ModelFormatError(faults.found)
    if not from_cache:
        cited = frozenset(key for rule in rules.rules for key in rule.source)
        cited |= {row["source"] for row in store.read_literature(folder)}
        meaning = check_spec(spec, cited) + check_rules(rules, [c.id for c in spec.causes], spec.sources)
        if meaning:
            raise ModelMeaningError(meaning)
        store.write_cache(folder, digest, documents)
    return Model(spec, rules, digest, folder.resolve())


def load_rules(path: str | Path | None = None) -> RuleSet:
    """Load only the findings and the rules, so that red flags work whatever state the network is in."""
    folder = store.default_folder() if path is None else Path(path)
    documents = store.read_some(folder, ("findings.toml", "red_flags.toml"))
    faults = Faults()
    rules = read_rules(documents["red_flags.toml"], read_vocabulary(documents["findings.toml"], faults), faults)
    if faults.found:
        raise ModelFormatError(faults.found)
    return rules


def _load_again(folder: str, digest: str) -> Model:
    model = load_model(folder)
    if model.digest != digest:
        raise RuntimeError(f"the model in {folder} has changed: {model.digest} is not {digest}")
    return model
