"""The shipped network against pgmpy and pyAgrum: the same posteriors to 1e-9."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyagrum as gum
import pytest

import legdx
from legdx.interop.pgmpy import FORMATS, export
from legdx.loaded import Model

N_CASES = 200


def random_cases(model: Model, n: int) -> list[tuple[str, dict[str, str]]]:
    """Evidence drawn uniformly, not from the model: unlikely combinations are the harder ones."""
    rng = np.random.default_rng(20261121)
    findings = list(model.findings)
    cases = []
    for k in range(n):
        chosen = rng.choice(len(findings), size=int(rng.integers(1, 26)), replace=False)
        said = {findings[i].id: str(rng.choice(findings[i].states)) for i in chosen}
        cases.append((model.settings[k % len(model.settings)], said))
    return cases


@pytest.fixture(scope="module")
def network(model: Model) -> Any:
    return model.to_pgmpy()


@pytest.fixture(scope="module")
def exported(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    for format in FORMATS:
        export(model, format, folder / f"legs.{format}")
    return folder


def test_pgmpy_accepts_every_node(model: Model, network: Any) -> None:
    assert network.check_model()
    nodes = {"setting", "cause", "category", "family"}
    nodes |= {f.id for f in model.findings} | {m.id for m in model.spec.mechanisms}
    assert set(network.nodes()) == nodes
    assert network.get_cpds("reflexes").state_names["reflexes"] == ["normal", "reduced_or_absent", "brisk"]
    assert all(len(network.get_parents(f.id)) == 1 for f in model.findings)


def test_posterior_equals_pgmpy_variable_elimination(model: Model, network: Any) -> None:
    from pgmpy.inference import VariableElimination

    peer = VariableElimination(network)
    for setting, findings in random_cases(model, N_CASES):
        answer = peer.query(["cause"], evidence={"setting": setting, **findings}, show_progress=False)
        ranking = legdx.rank(findings, setting=setting)
        expected = dict(zip(answer.state_names["cause"], answer.values, strict=True))
        assert {c.id: c.probability for c in ranking.causes} == pytest.approx(expected, abs=1e-9)


def test_category_and_family_equal_pgmpy(model: Model, network: Any) -> None:
    from pgmpy.inference import VariableElimination

    peer = VariableElimination(network)
    for setting, findings in random_cases(model, 10):
        ranking = legdx.rank(findings, setting=setting)
        for node, groups in (("category", ranking.categories), ("family", ranking.families)):
            answer = peer.query([node], evidence={"setting": setting, **findings}, show_progress=False)
            expected = dict(zip(answer.state_names[node], answer.values, strict=True))
            assert {g.id: g.probability for g in groups} == pytest.approx(expected, abs=1e-9)


# pyAgrum reads the numbers of three of these formats in single precision.
PRECISION = {"bif": 1e-6, "xmlbif": 1e-9, "net": 1e-6, "xdsl": 1e-9, "uai": 1e-6}
READ_AS = {"bif": "bif", "xmlbif": "bifxml", "net": "net", "xdsl": "xdsl", "uai": "uai"}


def read_by_pyagrum(exported: Path, format: str) -> Any:
    file = exported / f"legs.{READ_AS[format]}"
    if not file.exists():
        (exported / f"legs.{format}").rename(file)
    return gum.loadBN(str(file))


@pytest.mark.parametrize("format", ["xmlbif", "bif"])
def test_posterior_equals_pyagrum_lazy_propagation(format: str, exported: Path, model: Model) -> None:
    peer_net = read_by_pyagrum(exported, format)
    peer = gum.LazyPropagation(peer_net)
    peer.setTargets({"cause"})
    labels = peer_net.variable("cause").labels()
    for setting, findings in random_cases(model, N_CASES):
        peer.setEvidence({"setting": setting, **findings})
        peer.makeInference()
        expected = dict(zip(labels, peer.posterior("cause").tolist(), strict=True))
        ranking = legdx.rank(findings, setting=setting)
        assert {c.id: c.probability for c in ranking.causes} == pytest.approx(expected, abs=PRECISION[format])


def test_virtual_evidence_equals_pyagrum(exported: Path, model: Model) -> None:
    peer_net = read_by_pyagrum(exported, "xmlbif")
    peer = gum.LazyPropagation(peer_net)
    said = {"reflexes": {"normal": 0.2, "reduced_or_absent": 1.0, "brisk": 0.1}, "fever": {"absent": 3, "present": 1}}
    evidence: dict[str, Any] = {name: list(likelihood.values()) for name, likelihood in said.items()}
    peer.setEvidence({"setting": "neurology", "sex": "female"} | evidence)
    peer.makeInference()
    ranking = legdx.rank({"sex": "female", **said}, setting="neurology")
    expected = dict(zip(peer_net.variable("cause").labels(), peer.posterior("cause").tolist(), strict=True))
    assert {c.id: c.probability for c in ranking.causes} == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("format", FORMATS)
def test_every_exported_format_gives_the_same_posterior_in_pyagrum(format: str, exported: Path, model: Model) -> None:
    peer_net = read_by_pyagrum(exported, format)
    peer = gum.LazyPropagation(peer_net)
    said = {"reflexes": "brisk", "fever": "absent", "age_band": "elderly"}
    ranking = legdx.rank(said, setting="neurology")
    states = {f.id: f.states for f in model.findings}
    evidence = {name: states[name].index(state) for name, state in said.items()}
    evidence["setting"] = model.settings.index("neurology")
    if format == "uai":
        # The format has no names: the writer numbers variables by number of states as text, then by name.
        network = model.to_pgmpy()
        order = sorted(network.nodes(), key=lambda name: (str(network.get_cardinality(name)), name))
        peer.setEvidence({order.index(name): state for name, state in evidence.items()})
        target, order_of_causes = order.index("cause"), list(model.tables.causes)
    else:
        peer.setEvidence({"setting": "neurology", **said})
        target, order_of_causes = "cause", list(peer_net.variable("cause").labels())
    peer.makeInference()
    expected = dict(zip(order_of_causes, peer.posterior(target).tolist(), strict=True))
    assert {c.id: c.probability for c in ranking.causes} == pytest.approx(expected, abs=PRECISION[format])
