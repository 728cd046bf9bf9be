"""A loaded model: its specification, its rules and its compiled network, held together and immutable."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from legdx.errors import Fault, ModelError, ModelFormatError, ModelMeaningError, UnknownNameError
from legdx.model import store
from legdx.model.cache import packed, unpacked
from legdx.model.check import check_spec
from legdx.model.fields import Faults
from legdx.model.spec import Cause, Spec, read_spec
from legdx.model.vocabulary import Finding, Vocabulary, read_vocabulary
from legdx.redflags import RuleSet, check_rules, read_rules

if TYPE_CHECKING:
    import pandas as pd
    from pgmpy.models import DiscreteBayesianNetwork

    from legdx.inference.tables import Tables
    from legdx.inference.uncertainty import Draws
    from legdx.learn import UpdateReport

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

    def __init__(
        self,
        spec: Spec,
        rules: RuleSet,
        digest: str,
        folder: Path | None = None,
        report: UpdateReport | None = None,
    ) -> None:
        self.spec = spec
        self.rules = rules
        self.digest = digest
        self.folder = folder
        self.report = report

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

    @cached_property
    def draws(self) -> Draws:
        """The parameters drawn from what their strengths leave open, for credible intervals."""
        from legdx.inference.uncertainty import Draws

        return Draws(self.spec)

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

    def with_priors(self, priors: Mapping[str, float], *, setting: str | None = None) -> Model:
        """A new model with stated priors; this one stays as it is.

        >>> import legdx
        >>> model = legdx.load_model()
        >>> clinic = model.with_priors({"neuromuscular_junction": 0.2, "stroke": 0.01}, setting="neurology")
        >>> ranking = legdx.rank({}, setting="neurology", model=clinic)
        >>> round(ranking.probability("neuromuscular_junction"), 9), round(ranking.probability("stroke"), 9)
        (0.2, 0.01)

        Args:
            priors: the probability of causes, categories or families, by id; the causes of a group keep their
                proportions, and all others share the rest in theirs.
            setting: where these hold; None: everywhere.

        Returns:
            the new model; its version has a suffix, and its digest is that of its content.

        Raises:
            ModelMeaningError: an id is unknown or stands twice, or the probabilities do not fit; all faults are named.
            UnknownNameError: the model has no such setting.
        """
        from legdx.learn import with_priors

        return with_priors(self, priors, setting)

    def update(self, cases: Iterable[Mapping[str, Any]] | pd.DataFrame, *, strength: float = 1.0) -> Model:
        """A new model that has learned from diagnosed cases; this one stays as it is.

        >>> import legdx
        >>> model = legdx.load_model()
        >>> cases = [{"cause": "cidp", "reflexes": "reduced_or_absent", "tremor": tremor} for tremor in (True, False)]
        >>> learned = model.update(cases)
        >>> row = next(row for row in learned.report.moved if row.parameter == "P(tremor | cidp)")
        >>> row.before[1] < row.after[1], round(row.cases, 6)
        (True, 2.0)

        The rows are Dirichlet distributions with strength * p as pseudo-counts, to which the cases are added; EM stands
        in for the mechanisms, which no one observes (Lauritzen 1995; docs/learning.md, docs/adr/0008).

        Args:
            cases: a list of mappings or a data frame, each case with its ``cause`` and with findings as `rank` takes
                them; what is missing is unknown. A case that also has its ``setting`` counts for the priors there.
            strength: how many patients of the model's population a case is worth; under 1 where the cases are from
                another one.

        Returns:
            the new model, with ``.report``, what has moved; its version has a suffix, and its digest is that of its
            content.

        Raises:
            EvidenceError: a case has no such cause or setting, or a finding that cannot be used; all faults are named.
            ValueError: the strength is not a finite number over 0.
        """
        from legdx.learn import update

        return update(self, cases, strength)

    def __reduce__(self) -> tuple[Any, ...]:
        if self.folder is None:
            return Model, (self.spec, self.rules, self.digest, None, self.report)
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
    read = store.read_folder(folder)
    if read.checked:
        spec = unpacked(read.documents)
        rules = read_rules(read.documents["red_flags.toml"], spec.vocabulary, Faults())
    else:
        spec, rules = _checked(folder, read)
        store.write_cache(folder, read.digest, packed(spec, read.documents))
    return Model(spec, rules, read.digest, folder.resolve())


def _checked(folder: Path, read: store.Folder) -> tuple[Spec, RuleSet]:
    """Read the documents and check them; every fault of shape and of meaning is raised together."""
    if not {"manifest.toml", "findings.toml", "mechanisms.toml"} <= set(read.documents):
        raise ModelFormatError(read.faults)
    faults = Faults(list(read.faults))
    spec = read_spec(read.documents, faults)
    rules = read_rules(read.documents.get("red_flags.toml", {}), spec.vocabulary, faults)
    meaning = []
    if not read.faults:
        cited = frozenset(key for rule in rules.rules for key in rule.source)
        cited |= {row["source"] for row in store.read_literature(folder)}
        meaning = check_spec(spec, cited) + check_rules(rules, [c.id for c in spec.causes], spec.sources)
    if faults.found:
        raise ModelFormatError(faults.found + meaning)
    if meaning:
        raise ModelMeaningError(meaning)
    return spec, rules


def load_rules(path: str | Path | None = None) -> RuleSet:
    """Load only the findings and the rules, so that red flags work whatever state the network is in.

    >>> load_rules()["saddle_numbness"].urgency
    'emergency'
    """
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
        fault = Fault(
            where=folder,
            problem=f"has changed since: it is {model.digest}, not {digest}",
            fix="load it again where it is used, or restore the folder",
        )
        raise ModelError([fault])
    return model
