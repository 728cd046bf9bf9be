"""The laws of a block of cases, over random small models, zeros in their tables allowed."""

from __future__ import annotations

from unittest import mock

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from legdx.evidence import Evidence
from legdx.inference import batch
from legdx.inference.batch import rank_codes
from legdx.inference.engine import infer, infer_block
from legdx.inference.packs import pack_tables
from legdx.loaded import Model
from strategies import models

KERNELS = st.sampled_from(["numpy", "numba"])


@st.composite
def model_and_codes(draw: st.DrawFn) -> tuple[Model, np.ndarray, np.ndarray]:
    model = draw(models(max_causes=5, max_findings=8))
    n = draw(st.integers(1, 6))
    lines = [[draw(st.integers(-1, len(f.states) - 1)) for f in model.findings] for _ in range(n)]
    return model, np.array(lines), np.array([draw(st.integers(0, 1)) for _ in range(n)])


@given(given=model_and_codes(), kernel=KERNELS, rows=st.sampled_from([1, 5, 12, 3**7]))
def test_each_line_of_a_block_is_the_single_case(
    given: tuple[Model, np.ndarray, np.ndarray], kernel: str, rows: int
) -> None:
    model, codes, settings = given
    with mock.patch.object(batch, "pack_tables", lambda tables, dtype: pack_tables(tables, dtype, rows)):
        probability, log_evidence = rank_codes(model.tables, codes, settings, kernel=kernel)
    start = np.array(model.tables.start)
    for k, line in enumerate(codes):
        known = tuple((start + line)[line >= 0].tolist())
        one = infer(model.tables, Evidence(model.vocabulary, known), int(settings[k]))
        np.testing.assert_allclose(probability[k], one.probability, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(log_evidence[k], one.log_evidence, rtol=1e-12, atol=1e-12)
        plain = infer_block(model.tables, [Evidence(model.vocabulary, known)], [int(settings[k])])
        np.testing.assert_allclose(probability[k], plain.probability[0], rtol=1e-10, atol=1e-12)


@given(given=model_and_codes(), kernel=KERNELS, seed=st.integers(0, 1000))
def test_the_order_of_the_lines_is_the_order_of_the_answers(
    given: tuple[Model, np.ndarray, np.ndarray], kernel: str, seed: int
) -> None:
    model, codes, settings = given
    order = np.random.default_rng(seed).permutation(len(codes))
    probability, _ = rank_codes(model.tables, codes, settings, kernel=kernel)
    shuffled, _ = rank_codes(model.tables, codes[order], settings[order], kernel=kernel)
    np.testing.assert_allclose(shuffled, probability[order], rtol=1e-12)


@given(given=model_and_codes(), kernel=KERNELS)
def test_the_evidence_over_all_states_of_a_finding_adds_up_to_that_without_it(
    given: tuple[Model, np.ndarray, np.ndarray], kernel: str
) -> None:
    model, codes, settings = given
    n_states = len(next(iter(model.findings)).states)
    states = np.repeat(codes[:1], n_states + 1, axis=0)
    states[:, 0] = np.arange(-1, n_states)
    _, log_evidence = rank_codes(model.tables, states, int(settings[0]), kernel=kernel)
    np.testing.assert_allclose(np.exp(log_evidence[1:]).sum(), np.exp(log_evidence[0]), rtol=1e-9, atol=1e-15)
