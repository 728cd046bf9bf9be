"""Many cases at once: the same answer as one at a time, whatever the kernel, precision, threads or layout."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import legdx
import small_models
from legdx.evidence import Evidence
from legdx.inference import batch
from legdx.inference.batch import rank_codes
from legdx.inference.engine import infer, infer_block
from legdx.inference.packs import SLACK, pack_tables
from legdx.loaded import Model
from strategies import row
from test_extremes import wide_model

KERNELS = ("numpy", "numba")


def some_codes(model: Model, n: int, known: int, seed: int = 20261121) -> np.ndarray:
    """Cases with so many findings known, their states drawn uniformly."""
    rng = np.random.default_rng(seed)
    n_states = np.array([len(f.states) for f in model.findings])
    codes = np.full((n, len(n_states)), -1, np.int8)
    where = np.argsort(rng.random(codes.shape), axis=1)[:, :known]
    np.put_along_axis(codes, where, (rng.random(where.shape) * n_states[where]).astype(np.int8), axis=1)
    return codes


def in_logarithms(model: Model, codes: np.ndarray, settings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the engine says of each line without any joint-state table."""
    start = np.array(model.tables.start)
    block = [Evidence(model.vocabulary, tuple((start + line)[line >= 0].tolist())) for line in codes]
    posterior = infer_block(model.tables, block, settings)
    return posterior.probability, posterior.log_evidence


@contextmanager
def packs_of(rows: int) -> Iterator[None]:
    """Packs of so few rows that mechanisms are summed out case by case."""
    with mock.patch.object(batch, "pack_tables", lambda tables, dtype: pack_tables(tables, dtype, rows)):
        yield


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("known", [0, 1, 15, 60, 162])
def test_equals_the_single_case_to_1e_12(model: Model, kernel: str, known: int) -> None:
    codes = some_codes(model, 300, known)
    settings = np.arange(300) % len(model.settings)
    probability, log_evidence = rank_codes(model.tables, codes, settings, kernel=kernel)
    expected, expected_log = in_logarithms(model, codes, settings)
    np.testing.assert_allclose(probability, expected, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(log_evidence, expected_log, rtol=1e-13, atol=1e-12)


def test_the_single_case_from_tables_equals_that_in_logarithms(model: Model) -> None:
    codes = some_codes(model, 300, 25)
    expected, expected_log = in_logarithms(model, codes, np.ones(300, int))
    start = np.array(model.tables.start)
    for line, p, log_p in zip(codes, expected, expected_log, strict=True):
        one = infer(model.tables, Evidence(model.vocabulary, tuple((start + line)[line >= 0].tolist())), 1)
        np.testing.assert_allclose(one.probability, p, rtol=1e-11, atol=1e-12)
        assert one.log_evidence == pytest.approx(log_p, rel=1e-13)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n", [2, 27, 28, 29, 56, 57, 90])
def test_any_number_of_causes(n: int, dtype: type[np.floating[Any]], kernel: str) -> None:
    rng, states = np.random.default_rng(n), ("x", "y", "z")

    def of(*names: str) -> dict[str, Any]:
        return {name: row(dict(zip(states, rng.dirichlet(np.ones(3)).tolist(), strict=True))) for name in names}

    many = small_models.model(
        {f"c{k}": small_models.cause(1 / n, 10, mechanisms=of("m"), findings=of("f", "g")) for k in range(n)},
        {name: small_models.finding(list(states), "m" if name == "h" else "cause") for name in "fgh"},
        {"m": {"label": "-", "note": "-", "states": list(states), "background": of("m")["m"],
               "findings": {"h": of(*states)}}},
    )  # fmt: skip
    codes = np.array([(f, g, h) for f in range(-1, 3) for g in range(-1, 3) for h in range(-1, 3)])
    probability, log_evidence = rank_codes(many.tables, codes, 0, dtype=dtype, kernel=kernel)
    expected, expected_log = in_logarithms(many, codes, np.zeros(len(codes), int))
    np.testing.assert_allclose(probability, expected, rtol=1e-11 if dtype is np.float64 else 1e-5)
    np.testing.assert_allclose(log_evidence, expected_log, atol=1e-12 if dtype is np.float64 else 1e-5)


def test_behind_every_table_there_is_room_for_a_tile() -> None:
    from legdx.inference.bits import TILE

    assert TILE <= SLACK


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("rows", [1, 30, 250])
def test_the_size_of_the_packs_changes_nothing(model: Model, kernel: str, rows: int) -> None:
    codes = some_codes(model, 200, 40)
    expected, expected_log = rank_codes(model.tables, codes, 1)
    with packs_of(rows):
        probability, log_evidence = rank_codes(model.tables, codes, 1, kernel=kernel)
    np.testing.assert_allclose(probability, expected, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(log_evidence, expected_log, rtol=1e-13, atol=1e-12)


@pytest.mark.parametrize("kernel", KERNELS)
def test_single_precision_on_request_is_within_1e_5(model: Model, kernel: str) -> None:
    codes = some_codes(model, 2000, 15)
    codes[::4] = some_codes(model, 500, 150)
    probability, log_evidence = rank_codes(model.tables, codes, 0, dtype=np.float32, kernel=kernel)
    expected, expected_log = rank_codes(model.tables, codes, 0)
    assert (probability.dtype, log_evidence.dtype) == (np.float32, np.float64)
    np.testing.assert_allclose(probability, expected, atol=1e-5)
    np.testing.assert_allclose(log_evidence, expected_log, atol=1e-4)


@pytest.mark.parametrize("kernel", KERNELS)
def test_threads_layout_and_integer_type_change_no_bit(model: Model, kernel: str) -> None:
    codes = some_codes(model, 40_000, 15)
    codes[:, :40] = -1
    settings = np.arange(len(codes)) % len(model.settings)
    expected = rank_codes(model.tables, codes, settings, kernel=kernel, threads=1)
    wide = np.full((len(codes), 2 * codes.shape[1]), -1, np.int64)
    wide[:, ::2] = codes
    out = np.empty((len(codes), len(model.causes)))
    again = rank_codes(model.tables, wide[:, ::2], settings.astype(np.uint8), kernel=kernel, threads=3, out=out)
    assert again[0] is out
    assert all(np.array_equal(a, b) for a, b in zip(expected, again, strict=True))


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_line_does_not_depend_on_its_neighbours(model: Model, kernel: str) -> None:
    codes = some_codes(model, 5000, 15)
    together, _ = rank_codes(model.tables, codes, 0, kernel=kernel)
    for line in (0, 31, 32, 4095, 4096, 4999):
        alone, _ = rank_codes(model.tables, codes[line : line + 1], 0, kernel=kernel)
        np.testing.assert_allclose(alone[0], together[line], rtol=1e-12)


@pytest.mark.parametrize("kernel", KERNELS)
def test_no_case_gives_no_line(model: Model, kernel: str) -> None:
    probability, log_evidence = rank_codes(model.tables, np.empty((0, 162), np.int8), 0, kernel=kernel)
    assert (probability.shape, log_evidence.shape) == ((0, 82), (0,))


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("rows", [4, 3**7])
@pytest.mark.parametrize("parent", ["cause", "m"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_120_findings_of_probability_1e_minus_3(parent: str, rows: int, kernel: str, dtype: Any) -> None:
    model = wide_model(parent)
    codes = np.zeros((3, 120), np.int8)
    codes[1] = -1
    with packs_of(rows):
        probability, log_evidence = rank_codes(model.tables, codes, 0, kernel=kernel, dtype=dtype)
    odds = 1.05**120
    assert probability[0, 0] == pytest.approx(odds / (1 + odds), rel=1e-9 if dtype is np.float64 else 1e-4)
    assert log_evidence[0] == pytest.approx(120 * math.log(1e-3) + math.log(0.5 + 0.5 / odds), rel=1e-6)
    assert probability[1].tolist() == [0.5, 0.5]
    assert log_evidence[1] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("kernel", KERNELS)
def test_an_impossible_case_is_nan_and_its_neighbours_are_answered(kernel: str) -> None:
    from test_extremes import _with_zero

    model = _with_zero(wide_model("cause", 3))
    codes = np.array([[0, 0, -1], [0, -1, -1], [-1, -1, 0]])
    probability, log_evidence = rank_codes(model.tables, codes, 0, kernel=kernel)
    assert np.isnan(probability[0]).all()
    assert log_evidence[0] == -math.inf
    assert probability[1].tolist() == [0.0, 1.0]
    assert np.isfinite(log_evidence[1:]).all()


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("dtype", [np.int8, np.int64])
@pytest.mark.parametrize("value", [2, 100, -2])
def test_a_code_out_of_range_is_named(model: Model, kernel: str, dtype: Any, value: int) -> None:
    codes = np.full((6000, 162), -1, dtype)
    codes[5500, model.vocabulary.index["fever"]] = value
    with pytest.raises(legdx.EvidenceError) as caught:
        rank_codes(model.tables, codes, 0, kernel=kernel)
    column = model.vocabulary.index["fever"]
    assert str(caught.value) == (
        "the findings have 1 fault:\n"
        f"  codes[5500, {column}]: is {value}; use 0 to 1, or -1 for unknown"
    )  # fmt: skip


def test_a_code_beyond_eight_bits_is_out_of_range_too(model: Model) -> None:
    codes = np.full((1, 162), -1)
    codes[0, 0] = 2**32
    for kernel in KERNELS:
        with pytest.raises(legdx.EvidenceError, match=r"codes\[0, 0\]: is 4294967296"):
            rank_codes(model.tables, codes, 0, kernel=kernel)


def test_wrong_shapes_are_all_named(model: Model) -> None:
    with pytest.raises(legdx.errors.EvidenceShapeError) as caught:
        rank_codes(model.tables, np.zeros((2, 3)), 0.5, out=np.empty((2, 2)))  # type: ignore[arg-type]
    assert str(caught.value) == (
        "the findings have 3 faults:\n"
        "  codes: is float64 of shape (2, 3); give signed integers, one line a case, 162 columns\n"
        "  setting: is float64 of shape (2,); give the number of a setting, one for all cases or one a case\n"
        "  out: is float64 of shape (2, 2); give float64 of shape (2, 82)"
    )


def test_wrong_setting_precision_and_kernel_are_named(model: Model) -> None:
    codes = np.full((2, 162), -1)
    with pytest.raises(legdx.EvidenceError, match="setting: no setting 3; use a number from 0 to 2: primary_care, "):
        rank_codes(model.tables, codes, np.array([0, 3]))
    with pytest.raises(legdx.EvidenceError, match="dtype: is float16"):
        rank_codes(model.tables, codes, 0, dtype=np.float16)
    with pytest.raises(legdx.UnknownNameError, match="no kernel 'cuda'; use one of: auto, numpy, numba"):
        rank_codes(model.tables, codes, 0, kernel="cuda")


def test_without_numba_numpy_is_used_and_the_extra_is_named(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    codes = some_codes(model, 50, 15)
    expected, _ = rank_codes(model.tables, codes, 0, kernel="numpy")
    monkeypatch.setattr(batch, "find_spec", lambda name: None)
    probability, _ = rank_codes(model.tables, codes, 0)
    assert np.array_equal(probability, expected)
    with pytest.raises(legdx.errors.MissingExtraError, match=r'pip install "legdx\[fast\]"'):
        rank_codes(model.tables, codes, 0, kernel="numba")


def test_numba_is_installed_where_the_tests_run() -> None:
    assert importlib.util.find_spec("numba"), 'install the extra: pip install "legdx[test]"'


def test_the_tables_of_the_shipped_model_stay_small(model: Model) -> None:
    packs = pack_tables(model.tables)
    assert packs.causes.table.nbytes < 64e6
    assert len(packs.mechanism) == 0
    assert pack_tables(model.tables) is packs


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_finding_of_more_states_than_eight_bits_hold(kernel: str) -> None:
    states = [f"s{k}" for k in range(200)]
    rising = {s: (k + 1) / 20_100 for k, s in enumerate(states)}
    small = small_models.model(
        {"a": small_models.cause(0.5, 10, findings={"f": small_models.row(rising)}), "b": small_models.cause(0.5, 10)},
        {"f": small_models.finding(states)},
    )
    probability, _ = rank_codes(small.tables, np.array([[199], [150], [-1]]), 0, kernel=kernel)
    expected = [200 / (200 + 100.5), 151 / (151 + 100.5), 0.5]
    np.testing.assert_allclose(probability[:, 0], expected, rtol=1e-12)


@given(known=st.integers(0, 162), seed=st.integers(0, 2**32 - 1))
def test_the_two_kernels_agree_to_1e_12(model: Model, known: int, seed: int) -> None:
    codes = some_codes(model, 20, known, seed)
    a, log_a = rank_codes(model.tables, codes, 2, kernel="numpy")
    b, log_b = rank_codes(model.tables, codes, 2, kernel="numba")
    np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(log_a, log_b, rtol=1e-12, atol=1e-12)
