"""Three operations that numba has no name for: the known among 64 codes, the lowest bit, a product of rows. Internal.

Written in LLVM's own terms, so they compile for any processor; where it works on several numbers at once they are a few
instructions.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

__all__ = ["LANES", "TILE", "known_bits", "lowest_bit", "multiply_tile"]

LANES = 64
# Numbers to a vector, and columns whose products are kept in registers while all rows are read: seven of the sixteen
# vector registers that common processors have, and 82 causes are three tiles less two.
_VECTOR = 4
TILE = 7 * _VECTOR


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


def _multiply_tile(_typing: Any, joint: Any, prior: Any, table: Any, rows: Any, n: Any, first: Any) -> Any:
    """The product of a tile of the prior, from column `first` on, and of that of the first `n` of some rows of a table.

    It goes to `joint`; the operation gives its sum. Beyond the last column the prior must be zero, and the table
    readable.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        joint, prior, table, rows = (
            context.make_array(signature.args[k])(context, builder, arguments[k]) for k in range(4)
        )
        n, first = arguments[4:]
        index, size = first.type, signature.return_type.bitwidth // 8
        vector = ir.VectorType(context.get_value_type(signature.return_type), _VECTOR)

        def pieces(start: Any) -> list[Any]:
            at = [builder.gep(start, [index(k)]) for k in range(0, TILE, _VECTOR)]
            return [builder.bitcast(one, vector.as_pointer()) for one in at]

        given = [builder.load(at, align=size) for at in pieces(builder.gep(prior.data, [first]))]
        column, width = builder.gep(table.data, [first]), builder.extract_value(table.shape, 1)
        before, loop, after = builder.block, *(builder.append_basic_block() for _ in range(2))
        builder.cbranch(builder.icmp_signed(">", n, index(0)), loop, after)
        builder.position_at_end(loop)
        k, products = builder.phi(index), [builder.phi(vector) for _ in given]
        row = builder.zext(builder.load(builder.gep(rows.data, [k])), index)
        factors = [builder.load(at, align=size) for at in pieces(builder.gep(column, [builder.mul(row, width)]))]
        multiplied = [builder.fmul(*both) for both in zip(products, factors, strict=True)]
        following = builder.add(k, index(1))
        for phi, start, then in zip([k, *products], [index(0), *given], [following, *multiplied], strict=True):
            phi.add_incoming(start, before)
            phi.add_incoming(then, loop)
        builder.cbranch(builder.icmp_signed("<", following, n), loop, after)
        builder.position_at_end(after)
        ends = [builder.phi(vector) for _ in given]
        for phi, start, then in zip(ends, given, multiplied, strict=True):
            phi.add_incoming(start, before)
            phi.add_incoming(then, loop)
        for end, at in zip(ends, pieces(builder.gep(joint.data, [first])), strict=True):
            builder.store(end, at, align=size)
        total = ends[0]
        for end in ends[1:]:
            total = builder.fadd(total, end)
        lanes = [builder.extract_element(total, ir.IntType(32)(k)) for k in range(_VECTOR)]
        while len(lanes) > 1:
            lanes = [builder.fadd(*pair) for pair in zip(lanes[::2], lanes[1::2], strict=True)]
        return lanes[0]

    return table.dtype(joint, prior, table, rows, types.intp, types.intp), generate


known_bits: Any = intrinsic(_known_bits)
lowest_bit: Any = intrinsic(_lowest_bit)
multiply_tile: Any = intrinsic(_multiply_tile)
