"""The only module that knows pgmpy: the same network as a pgmpy model, and pgmpy's file formats."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from legdx.errors import UnknownNameError
from legdx.inference.tables import Array

if TYPE_CHECKING:
    from pgmpy.models import DiscreteBayesianNetwork

    from legdx.loaded import Model

__all__ = ["FORMATS", "export", "to_pgmpy"]

_WRITERS = {"bif": "BIFWriter", "xmlbif": "XMLBIFWriter", "net": "NETWriter", "xdsl": "XDSLWriter", "uai": "UAIWriter"}
FORMATS = tuple(_WRITERS)


def to_pgmpy(model: Model) -> DiscreteBayesianNetwork:
    """The network of a model, reporting error applied, with the nodes setting, cause, category, family, every mechanism
    and every finding, and their states' names.

    The settings have equal probability: `rank` always conditions on one.
    """
    from pgmpy.models import DiscreteBayesianNetwork

    tables, spec = model.tables, model.spec
    causes = list(tables.causes)
    settings = list(tables.settings)
    nodes: list[tuple[str, list[str], str | None, Array]] = [
        ("setting", settings, None, np.full((len(settings), 1), 1 / len(settings))),
        ("cause", causes, "setting", tables.prior.T / tables.prior.sum(axis=1)),
    ]
    for level in ("category", "family"):
        groups = sorted({getattr(cause, level) for cause in spec.causes})
        member = np.array([[float(getattr(c, level) == group) for c in spec.causes] for group in groups])
        nodes.append((level, groups, "cause", member))
    for mechanism, start in zip(spec.mechanisms, tables.mechanism_start, strict=True):
        rows = slice(start, start + len(mechanism.states))
        nodes.append((mechanism.id, list(mechanism.states), "cause", tables.mechanism[rows]))
    for finding, first, columns in zip(spec.vocabulary.findings, tables.start, tables.columns, strict=True):
        rows = slice(first, first + len(finding.states))
        nodes.append((finding.id, list(finding.states), finding.parent, tables.likelihood[rows, columns]))
    states = {name: names for name, names, _, _ in nodes}
    network = DiscreteBayesianNetwork([(parent, name) for name, _, parent, _ in nodes if parent is not None])
    network.add_cpds(*(_cpd(name, parent, values, states) for name, _, parent, values in nodes))
    return network


def _cpd(name: str, parent: str | None, values: Array, states: dict[str, list[str]]) -> Any:
    from pgmpy.factors.discrete import TabularCPD

    parents: Sequence[str] = [] if parent is None else [parent]
    return TabularCPD(
        name,
        len(states[name]),
        values,
        evidence=list(parents) or None,
        evidence_card=[len(states[p]) for p in parents] or None,
        state_names={node: states[node] for node in (name, *parents)},
    )


def export(model: Model, format: str, path: str | Path) -> None:
    """Write the network in a format of other programs, through pgmpy's writer.

    Args:
        model: the model.
        format: ``"bif"``, ``"xmlbif"``, ``"net"``, ``"xdsl"`` or ``"uai"``.
        path: the file to write.

    Raises:
        UnknownNameError: there is no such format.
    """
    if format not in _WRITERS:
        raise UnknownNameError("format", format, FORMATS)
    import pgmpy.readwrite

    network = to_pgmpy(model)
    # Some writers print arrays: without this they would be rounded to 8 digits and large ones cut.
    with np.printoptions(precision=17, threshold=2**31 - 1, floatmode="unique", linewidth=2**31 - 1):
        writer = getattr(pgmpy.readwrite, _WRITERS[format])(network)
        if format == "net":
            # pgmpy 1.1 rounds the tables of this format to 8 decimals.
            writer.net_cpd = lambda name: _net_table(network.get_cpds(name).values)
        elif format == "uai":
            # pgmpy 1.1 lists a scope parents first and its table child first, where UAI wants the child last in both;
            # some readers want the functions in the order of their variables too.
            cpds = sorted(network.get_cpds(), key=lambda cpd: cpd.variable)
            tables = [[repr(float(p)) for p in cpd.values.T.ravel()] for cpd in cpds]
            functions = sorted(zip(writer.functions, tables, strict=True), key=lambda pair: int(pair[0][-1]))
            writer.functions, writer.tables = map(list, zip(*functions, strict=True))
        writer.write(str(path))


def _net_table(values: Array) -> str:
    """The table in nested parentheses, one innermost group a parent state."""
    nested = np.moveaxis(values, 0, -1).tolist()
    return repr(nested).replace("[", "(").replace("]", ")").replace(",", "")
