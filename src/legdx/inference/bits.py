"""Two operations on bits that numba has no name for: which of 64 codes are known, and the lowest bit set. Internal.

Written in LLVM's own terms, so they compile for any processor; where it compares many bytes at once they are a few
instructions.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

__all__ = ["LANES", "known_bits", "lowest_bit"]

LANES = 64


def _known_bits(_typing: Any, codes: Any, first: Any) -> Any:
    """The findings known among 64 codes, int8, from number `first` on, as bits: 1 where the code is not -1."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        lanes = ir.VectorType(ir.IntType(8), LANES)
        at = builder.bitcast(builder.gep(array.data, [arguments[1]]), lanes.as_pointer())
        known = builder.icmp_signed("!=", builder.load(at, align=1), ir.Constant(lanes, [-1] * LANES))
        return builder.bitcast(known, ir.IntType(LANES))

    return types.uint64(codes, first), generate


def _lowest_bit(_typing: Any, bits: Any) -> Any:
    """The number of the lowest bit that is set; `bits` is a uint64 that is not 0."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), generate


known_bits: Any = intrinsic(_known_bits)
lowest_bit: Any = intrinsic(_lowest_bit)
