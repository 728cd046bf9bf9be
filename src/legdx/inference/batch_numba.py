"""The compiled kernel for many cases: it reads only the packs in which something is known. Needs legdx[fast]."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from legdx.inference.bits import LANES, TILE, known_bits, lowest_bit, multiply_tile

__all__ = ["multiply_rows"]

# The rows of many cases are found before any is read: the two loops do not wait for each other's branches then.
_CASES = 512

# Sums may be taken in any order, as NumPy's are; no other liberty is taken with the arithmetic.
_compiled = numba.njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "nsz"})


@_compiled
def _find_rows(codes: Any, n_states: Any, causes: Any, states: Any, at: Any, state_at: Any, shift: Any) -> int:
    """For each case how many packs hold something known, and their rows.

    Returns:
        the first line that holds a code out of range, or -1.
    """
    weight, pack_of, base, _, peak = causes
    n_findings = codes.shape[1]
    padded = np.full((n_findings + LANES - 1) // LANES * LANES, -1, np.int8)
    row, touched = np.zeros(len(base), np.int32), np.empty(len(base) + 1, np.int32)
    for line in range(len(codes)):
        for i in range(n_findings):
            padded[i] = codes[line, i]
        n_touched = 0
        for first in range(0, len(padded), LANES):
            bits = known_bits(padded, first)
            while bits:
                i = first + lowest_bit(bits)
                bits &= np.uint64(bits - np.uint64(1))
                code = padded[i]
                if code < 0 or code >= n_states[i]:
                    return line
                if weight[i] > 0:
                    pack = pack_of[i]
                    touched[n_touched] = pack
                    n_touched += row[pack] == 0
                    row[pack] += weight[i] * (code + 1)
                else:
                    state_at[line, states[1][i]] += states[0][i] * (code + 1)
        total = 0.0
        for k in range(n_touched):
            pack = touched[k]
            found = base[pack] + row[pack]
            row[pack] = 0
            total += peak[found]
            at[line, k + 1] = found
        at[line, 0] = n_touched
        shift[line] = total
    return -1


@_compiled
def _multiply_wide(joint: Any, row: Any, states: Any, first: Any, mechanism: Any) -> float:
    """Multiply the causes by what each wide mechanism says, its states summed out; the logarithm divided out."""
    table, base, peak = states[3], states[2], states[4]
    width = table.shape[1]
    likelihood, total = np.empty(width, table.dtype), np.empty(len(joint), table.dtype)
    shift = 0.0
    for wide in range(len(mechanism)):
        changed = False
        for pack in range(first[wide], first[wide + 1]):
            if row[pack] != 0:
                at = base[pack] + row[pack]
                row[pack] = 0
                shift += peak[at]
                for s in range(width):
                    likelihood[s] = table[at, s] * (likelihood[s] if changed else 1)
                changed = True
        if changed:
            total[:] = 0
            for s in range(width):
                for c in range(len(joint)):
                    total[c] += likelihood[s] * mechanism[wide, s, c]
            for c in range(len(joint)):
                joint[c] *= total[c]
    return shift


@_compiled
def multiply_rows(
    codes: Any,
    settings: Any,
    n_states: Any,
    prior: Any,
    causes: Any,
    states: Any,
    first: Any,
    mechanism: Any,
    probability: Any,
    sums: Any,
    shift: Any,
) -> int:
    """Write the posterior of each line of `codes`, (cases, F) int8; `causes` and `states` are the arrays of a `Lookup`.

    The sum of a line before it was divided by it, and the logarithm divided out of its rows, go to `sums` and `shift`.

    Returns:
        the first line that holds a code out of range, or -1.
    """
    base, table = causes[2:4]
    n_causes, zero = prior.shape[1], np.zeros(1, prior.dtype)[0]
    # Filled up with zeros, so that what a tile reads beyond the last cause adds nothing.
    padded = np.zeros((len(prior), n_causes + TILE), prior.dtype)
    padded[:, :n_causes] = prior
    joint = np.empty(n_causes + TILE, prior.dtype)
    at = np.empty((_CASES, len(base) + 1), np.uint32)
    state_at = np.zeros((_CASES, len(states[2])), np.int32)
    for low in range(0, len(codes), _CASES):
        high = min(low + _CASES, len(codes))
        wrong = _find_rows(codes[low:high], n_states, causes, states, at, state_at, shift[low:high])
        if wrong >= 0:
            return low + wrong
        for line in range(low, high):
            rows, given, written = at[line - low], padded[settings[line]], probability[line]
            total = zero
            for x in range(0, n_causes, TILE):
                total += multiply_tile(joint, given, table, rows[1:], rows[0], x)
            if len(mechanism) > 0:
                shift[line] += _multiply_wide(joint[:n_causes], state_at[line - low], states, first, mechanism)
                total = joint[:n_causes].sum()
            sums[line] = total
            scale = 1 / total
            for x in range(n_causes):
                written[x] = joint[x] * scale
    return -1
