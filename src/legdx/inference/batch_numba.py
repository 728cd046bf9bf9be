"""The compiled kernel for many cases: it reads only the packs in which something is known. Needs legdx[fast]."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

__all__ = ["multiply_rows"]

# Rows are multiplied four at a time, and those of a few cases are found before any is read: memory is then read ahead.
_AT_ONCE = 4
_CASES = 32

# Sums may be taken in any order, as NumPy's are; no other liberty is taken with the arithmetic.
_compiled = numba.njit(nogil=True, cache=True, fastmath={"reassoc", "nsz"})


@_compiled
def _find_known(padded: Any, quads: Any, known: Any) -> int:
    """List the findings of a case that are known; their number. Free of branches, which could not be foretold."""
    words = padded.view(np.int32)
    n_quads = 0
    for w in range(len(words)):
        quads[n_quads] = w
        n_quads += words[w] != -1
    n_known = 0
    for k in range(n_quads):
        for i in range(4 * quads[k], 4 * quads[k] + 4):
            known[n_known] = i
            n_known += padded[i] != -1
    return n_known


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
    floor: float,
    probability: Any,
    log_evidence: Any,
) -> int:
    """Write the posterior of each line of `codes`, (cases, F) int8; `causes` and `states` are the arrays of a `Lookup`.

    A line whose sum is below `floor` gets NaN as its log evidence and is left to the caller.

    Returns:
        the first line that holds a code out of range, or -1.
    """
    weight, pack_of, base, table, peak = causes
    n_cases, n_findings = codes.shape
    n_causes, n_wide = prior.shape[1], len(mechanism)
    padded = np.full((n_findings + 3) // 4 * 4, -1, np.int8)
    quads, known = np.empty(len(padded) // 4 + 1, np.int32), np.empty(len(padded) + 1, np.int32)
    row, touched = np.zeros(len(base), np.int32), np.empty(len(base) + 1, np.int32)
    state_row = np.zeros((_CASES, len(states[2])), np.int32)
    at, n_rows = np.empty((_CASES, len(base) + _AT_ONCE), np.uint32), np.empty(_CASES, np.int32)
    joint = np.empty(n_causes, prior.dtype)
    for low in range(0, n_cases, _CASES):
        high = min(low + _CASES, n_cases)
        for line in range(low, high):
            j = line - low
            for i in range(n_findings):
                padded[i] = codes[line, i]
            n_touched = 0
            for k in range(_find_known(padded, quads, known)):
                i = known[k]
                code = padded[i]
                if code < 0 or code >= n_states[i]:
                    return line
                if weight[i] > 0:
                    pack = pack_of[i]
                    touched[n_touched] = pack
                    n_touched += row[pack] == 0
                    row[pack] += weight[i] * (code + 1)
                else:
                    state_row[j, states[1][i]] += states[0][i] * (code + 1)
            shift = 0.0
            for k in range(n_touched):
                pack = touched[k]
                at[j, k] = base[pack] + row[pack]
                row[pack] = 0
                shift += peak[at[j, k]]
            for k in range(n_touched, n_touched + _AT_ONCE - 1 if n_touched else 0):
                at[j, k] = base[0]
            n_rows[j] = n_touched
            log_evidence[line] = shift
        for line in range(low, high):
            j = line - low
            for x in range(n_causes):
                joint[x] = prior[settings[line], x]
            for k in range(0, n_rows[j], _AT_ONCE):
                a, b, c, d = table[at[j, k]], table[at[j, k + 1]], table[at[j, k + 2]], table[at[j, k + 3]]
                for x in range(n_causes):
                    joint[x] *= (a[x] * b[x]) * (c[x] * d[x])
            if n_wide > 0:
                log_evidence[line] += _multiply_wide(joint, state_row[j], states, first, mechanism)
            total = joint.sum()
            if total < floor:
                log_evidence[line] = np.nan
                continue
            log_evidence[line] += np.log(np.float64(total))
            scale = 1 / total
            for x in range(n_causes):
                probability[line, x] = joint[x] * scale
    return -1
