"""The shipped network against pgmpy and pyAgrum: the same posteriors to 1e-9."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
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


def test_posterior_equals_pyagrum_lazy_propagation_on_the_exported_bif(exported: Path, model: Model) -> None:
    gum = pytest.importorskip("pyagrum")
    peer_net = gum.loadBN(str(exported / "legs.bif"))
    peer = gum.LazyPropagation(peer_net)
    peer.setTargets({"cause"})
    labels = peer_net.variable("cause").labels()
    for setting, findings in random_cases(model, N_CASES):
        peer.setEvidence({"setting": setting, **findings})
        peer.makeInference()
        expected = dict(zip(labels, peer.posterior("cause").tolist(), strict=True))
        ranking = legdx.rank(findings, setting=setting)
        assert {c.id: c.probability for c in ranking.causes} == pytest.approx(expected, abs=1e-9)


def test_virtual_evidence_equals_pyagrum(exported: Path, model: Model) -> None:
    gum = pytest.importorskip("pyagrum")
    peer = gum.LazyPropagation(gum.loadBN(str(exported / "legs.bif")))
    said = {"reflexes": {"normal": 0.2, "reduced_or_absent": 1.0, "brisk": 0.1}, "fever": {"absent": 3, "present": 1}}
    evidence: dict[str, Any] = {name: list(likelihood.values()) for name, likelihood in said.items()}
    peer.setEvidence({"setting": "neurology", "sex": "female"} | evidence)
    peer.makeInference()
    ranking = legdx.rank({"sex": "female", **said}, setting="neurology")
    expected = dict(zip(peer.BN().variable("cause").labels(), peer.posterior("cause").tolist(), strict=True))
    assert {c.id: c.probability for c in ranking.causes} == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("format", FORMATS)
def test_every_exported_format_reads_back_the_same(format: str, exported: Path, network: Any) -> None:
    import pgmpy.readwrite

    reader = {"bif": "BIFReader", "xmlbif": "XMLBIFReader", "net": "NETReader", "xdsl": "XDSLReader", "uai": "UAIReader"}
    read = getattr(pgmpy.readwrite, reader[format])(str(exported / f"legs.{format}")).get_model()
    assert len(read.nodes()) == len(network.nodes())
    if format == "uai":
        # The format has no names: variables are numbered in the writer's order.
        assert sorted(c.variable_card for c in read.get_cpds()) == sorted(c.variable_card for c in network.get_cpds())
        return
    for name in ("cause", "reflexes", "age_band", "motor_level"):
        ours, theirs = network.get_cpds(name), read.get_cpds(name)
        order = [theirs.state_names[name].index(s) for s in ours.state_names[name]]
        parent = ours.variables[1]
        columns = [theirs.state_names[parent].index(s) for s in ours.state_names[parent]]
        assert theirs.get_values()[np.ix_(order, columns)] == pytest.approx(ours.get_values(), abs=1e-12)
