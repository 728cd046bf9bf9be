"""The public surface, frozen: other programs rely on these names."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import legdx

PUBLIC = [
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
    "__version__",
    "load_model",
    "rank",
    "rank_frame",
    "red_flags",
]
MODULES = [m.name for m in pkgutil.walk_packages(legdx.__path__, "legdx.")]


def test_public_names_are_these() -> None:
    assert legdx.__all__ == PUBLIC
    assert sorted(legdx.__all__) == legdx.__all__
    assert all(hasattr(legdx, name) for name in legdx.__all__)


@pytest.mark.parametrize("name", MODULES)
def test_every_module_states_what_it_offers(name: str) -> None:
    module = importlib.import_module(name)
    if name.rpartition(".")[2] in ("model", "inference", "interop", "render"):
        return
    assert module.__doc__, name
    assert all(hasattr(module, item) for item in module.__all__), name


def test_fixed_names_of_a_ranking() -> None:
    ranking = legdx.rank({"saddle_numbness": True})
    for name in (
        "causes", "categories", "families", "probability", "red_flags", "urgency", "surprise", "explain",
        "next_findings", "sensitivity", "to_dict", "to_json", "to_frame",
    ):  # fmt: skip
        assert hasattr(ranking, name), name
    for name in ("id", "label", "category", "family", "probability", "prior", "interval"):
        assert hasattr(ranking.causes[0], name), name
    for name in ("id", "urgency", "label", "suspected", "because", "action", "source"):
        assert hasattr(ranking.red_flags.fired[0], name), name
    assert hasattr(ranking.red_flags.not_excluded[0], "ask")
    for name in ("findings", "causes", "digest", "version", "to_pgmpy", "with_priors"):
        assert hasattr(legdx.load_model(), name), name
