"""The compiled kernel for many cases: only the packs in which something is known are read. Needs numba (legdx[fast])."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

__all__ = ["multiply_rows"]


# Sums may be taken in any order, as NumPy's are; no other liberty is taken with the arithmetic.
@numba.njit(nogil=True, cache=True, fastmath={"reassoc", "nsz"})  # type: ignore[untyped-decorator]
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
    """Write the posterior of each line of `codes` (cases, F); `causes` and `states` hold the arrays of a `Lookup`.

    A line whose sum is below `floor` gets NaN as its log evidence and is left to the caller.

    Returns:
        the first line that holds a code out of range, or -1.
    """
    weight, pack_of, base, table, peak = causes
    state_weight, state_pack_of, state_base, state_table, state_peak = states
    n_cases, n_findings = codes.shape
    n_causes = prior.shape[1]
    n_wide, width = mechanism.shape[0], mechanism.shape[1]
    known = np.empty(n_findings + 1, np.int32)
    row = base.copy()
    touched = np.empty(len(base) + 1, np.int32)
    state_row = state_base.copy()
    joint = np.empty(n_causes, prior.dtype)
    likelihood = np.empty(width, prior.dtype)
    for line in range(n_cases):
        n_known = 0
        for i in range(n_findings):
            known[n_known] = i
            n_known += codes[line, i] != -1
        n_touched = 0
        for k in range(n_known):
            i = known[k]
            code = codes[line, i]
            if code < 0 or code >= n_states[i]:
                return line
            if weight[i] > 0:
                pack = pack_of[i]
                touched[n_touched] = pack
                n_touched += row[pack] == base[pack]
                row[pack] += weight[i] * (code + 1)
            else:
                state_row[state_pack_of[i]] += state_weight[i] * (code + 1)
        joint[:] = prior[settings[line]]
        shift = 0.0
        for k in range(n_touched):
            pack = touched[k]
            at = row[pack]
            row[pack] = base[pack]
            shift += peak[at]
            for c in range(n_causes):
                joint[c] *= table[at, c]
        for wide in range(n_wide):
            changed = False
            for pack in range(first[wide], first[wide + 1]):
                at = state_row[pack]
                if at != state_base[pack]:
                    state_row[pack] = state_base[pack]
                    shift += state_peak[at]
                    if not changed:
                        changed = True
                        likelihood[:] = state_table[at]
                    else:
                        for s in range(width):
                            likelihood[s] *= state_table[at, s]
            if changed:
                for c in range(n_causes):
                    one = likelihood[0] * mechanism[wide, 0, c]
                    for s in range(1, width):
                        one += likelihood[s] * mechanism[wide, s, c]
                    joint[c] *= one
        total = joint.sum()
        if total < floor:
            log_evidence[line] = np.nan
            continue
        log_evidence[line] = np.log(np.float64(total)) + shift
        scale = 1 / total
        for c in range(n_causes):
            probability[line, c] = joint[c] * scale
    return -1
