#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Quantization operators one by one against ONNX Runtime: those of com.microsoft, those of ONNX, and the forms in
which quantized networks are exported (QDQ of 4 bits, blocks, QCDQ); and Einsum.

  build/bench-venv/bin/python bench/operators.py [--verbose] [NAME...]

Random operands, several shapes each. Integers may differ by one step in at most 1 % of the elements (ONNX Runtime
adds and multiplies quantized values by formulas of its own, which break ties differently; scales here make ties
rare), floats by 1e-5 of the largest.
"""
import argparse
import sys

import ml_dtypes
import numpy
import onnx
import onnxruntime
from onnx import TensorProto, helper

import models
import native

MS, PATH = "com.microsoft", models.CACHE / "operator.onnx"
random = numpy.random.default_rng(1)
CASES = []


def case(function):
    CASES.append(function)
    return function


class Maker:
    """Collects a graph: `feed` makes an input, `keep` a constant."""

    def __init__(self, opset=21):
        self.nodes, self.inputs, self.constants, self.values, self.opset = [], [], [], [], opset

    def feed(self, array):
        name = f"x{len(self.inputs)}"
        self.inputs.append(helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype),
                                                         array.shape))
        self.values.append(array)
        return name

    def keep(self, value, dtype=numpy.float32):
        name, array = f"c{len(self.constants)}", numpy.asarray(value, dtype)
        self.constants.append(helper.make_tensor(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape,
                                                 array.tobytes() if array.dtype.itemsize and array.dtype.kind in "iuf"
                                                 and array.dtype not in (ml_dtypes.int4, ml_dtypes.uint4)
                                                 else array.astype(int).ravel(), raw=array.dtype.kind in "iuf" and
                                                 array.dtype not in (ml_dtypes.int4, ml_dtypes.uint4)))
        return name

    def q(self, scale, zero, dtype):
        return self.keep(scale), self.keep(zero, dtype)

    def node(self, op, inputs, domain="", **attributes):
        name = f"y{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], domain=domain, **attributes))
        return name

    def model(self, result, type_=TensorProto.UNDEFINED):
        graph = helper.make_graph(self.nodes, "case", self.inputs,
                                  [onnx.ValueInfoProto(name=result)], self.constants)
        sets = [helper.make_opsetid("", self.opset), helper.make_opsetid(MS, 1)]
        return helper.make_model(graph, opset_imports=sets, ir_version=10)


def integers(shape, dtype=numpy.uint8):
    info = numpy.iinfo(dtype)
    return random.integers(info.min, info.max + 1, shape).astype(dtype)


def floats(*shape):
    return random.standard_normal(shape).astype(numpy.float32)


def middle(dtype):
    return 128 if dtype == numpy.uint8 else 3


BYTES = (numpy.uint8, numpy.int8)


@case
def qlinear_binary():
    for op in ("QLinearAdd", "QLinearMul"):
        for dtype in BYTES:
            for shapes in (((1, 3, 9, 7), (1, 3, 9, 7)), ((2, 5, 4), (1,)), ((1, 8, 6, 6), (1, 8, 1, 1))):
                m = Maker()
                a, b = (m.feed(integers(s, dtype)) for s in shapes)
                out = m.q(0.0371 if op == "QLinearAdd" else 0.043, middle(dtype) + 2, dtype)
                yield m, m.node(op, [a, *m.q(0.0213, middle(dtype), dtype), b, *m.q(0.0178, middle(dtype) - 5, dtype),
                                     *out], MS)


@case
def qlinear_binary_at_ties():
    """Scales that make ties common, with --match=ort; by the definition up to a quarter of the sums differ."""
    for op in ("QLinearAdd", "QLinearMul"):
        for dtype in BYTES:
            for scales in ((0.02, 0.06, 0.04), (0.1, 0.3, 0.7), (0.0371, 0.0213, 0.05)):
                m = Maker()
                m.options = ["--match=ort"]
                a, b = m.feed(integers((64, 1024), dtype)), m.feed(integers((64, 1024), dtype))
                yield m, m.node(op, [a, *m.q(scales[0], 3, dtype), b, *m.q(scales[1], 7, dtype),
                                     *m.q(scales[2], 5, dtype)], MS)


@case
def qlinear_unary():
    for op, attributes in (("QLinearSigmoid", {}), ("QLinearLeakyRelu", {"alpha": 0.2})):
        for dtype in BYTES:
            m = Maker()
            yield m, m.node(op, [m.feed(integers((3, 70), dtype)), *m.q(0.031, middle(dtype), dtype),
                                 *m.q(1 / 256 if op == "QLinearSigmoid" else 0.029, middle(dtype) - 9, dtype)], MS,
                            **attributes)


@case
def qlinear_softmax():
    for dtype in BYTES:
        m = Maker()
        low = 0 if dtype == numpy.uint8 else -128
        yield m, m.node("QLinearSoftmax", [m.feed(integers((4, 10), dtype)), *m.q(0.11, middle(dtype), dtype),
                                           *m.q(1 / 256, low, dtype)], MS, axis=-1, opset=13)


@case
def qlinear_pools():
    for dtype in BYTES:
        for last in (0, 1):
            m = Maker()
            x = m.feed(integers((1, 9, 11, 6), dtype))
            yield m, m.node("QLinearGlobalAveragePool", [x, *m.q(0.021, middle(dtype), dtype),
                                                         *m.q(0.0107, middle(dtype) + 4, dtype)], MS, channels_last=last)
            for include in (0, 1):
                m = Maker()
                x = m.feed(integers((1, 9, 11, 6), dtype))
                yield m, m.node("QLinearAveragePool", [x, *m.q(0.021, middle(dtype), dtype),
                                                       *m.q(0.0171, middle(dtype) + 4, dtype)], MS, channels_last=last,
                                kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 1], count_include_pad=include)


@case
def qlinear_concat():
    for dtype in BYTES:
        m = Maker()
        out = m.q(0.0301, middle(dtype), dtype)
        parts = []
        for i in range(3):
            parts += [m.feed(integers((2, 3 + i, 5), dtype)), *m.q(0.02 + 0.0071 * i, middle(dtype) + i, dtype)]
        yield m, m.node("QLinearConcat", [*out, *parts], MS, axis=1)


@case
def qlinear_where():
    for dtype in BYTES:
        m = Maker()
        condition = m.feed(random.integers(0, 2, (3, 8)).astype(bool))
        yield m, m.node("QLinearWhere", [condition, m.feed(integers((3, 8), dtype)), *m.q(0.0213, middle(dtype), dtype),
                                         m.feed(integers((3, 8), dtype)), *m.q(0.0331, middle(dtype) + 7, dtype),
                                         *m.q(0.0297, middle(dtype) - 2, dtype)], MS)


@case
def qgemm():
    for dtype in BYTES:
        for flip_a, flip_b, bias, real in ((0, 0, 0, 0), (0, 1, 1, 0), (1, 1, 1, 0), (0, 0, 1, 1)):
            m = Maker()
            a = m.feed(integers((13, 5) if flip_a else (5, 13), dtype))
            scale = 0.01 + 0.001 * random.random(7)
            b = m.keep(integers((7, 13) if flip_b else (13, 7), numpy.int8), numpy.int8)
            given = [a, *m.q(0.02, middle(dtype), dtype), b, m.keep(scale), m.keep(numpy.zeros(7), numpy.int8)]
            given.append(m.keep(random.integers(-9000, 9000, 7), numpy.int32) if bias else "")
            given += [] if real else m.q(0.317, middle(dtype), dtype)
            yield m, m.node("QGemm", given, MS, transA=flip_a, transB=flip_b, alpha=1.0)


@case
def integer_products():
    for dtype in BYTES:
        m = Maker()
        a, b = m.feed(integers((2, 5, 12), dtype)), m.keep(integers((12, 7), numpy.int8), numpy.int8)
        yield m, m.node("MatMulIntegerToFloat", [a, b, m.keep(0.02), m.keep(0.01 + 0.001 * random.random(7)),
                                                 m.keep(middle(dtype), dtype), m.keep(0, numpy.int8),
                                                 m.keep(floats(7))], MS)
    for bias in (0, 1):
        m = Maker()
        b = m.keep(integers((12, 7), numpy.int8), numpy.int8)
        yield m, m.node("DynamicQuantizeMatMul", [m.feed(floats(4, 12)), b, m.keep(0.013), m.keep(2, numpy.int8)] +
                        ([m.keep(floats(7))] if bias else []), MS)
    for dtype in BYTES:
        m = Maker()
        yield m, m.node("MatMulInteger", [m.feed(integers((3, 4, 9), dtype)), m.feed(integers((3, 9, 6), dtype)),
                                          m.keep(middle(dtype), dtype), m.keep(5, dtype)])
    m = Maker()
    yield m, m.node("ConvInteger", [m.feed(integers((1, 3, 9, 8))), m.keep(integers((4, 3, 3, 3)), numpy.uint8),
                                    m.keep(120, numpy.uint8), m.keep(130, numpy.uint8)], pads=[1, 1, 1, 1])


@case
def qlinear_conv():
    for dtype in BYTES:
        for domain, attributes in (("", {}), ("", {"group": 3}), (MS, {}), (MS, {"channels_last": 1})):
            m, group = Maker(), attributes.get("group", 1)
            x = m.feed(integers((1, 8, 9, 6) if "channels_last" in attributes else (1, 6, 8, 9), dtype))
            w = m.keep(integers((9, 6 // group, 3, 3), numpy.int8), numpy.int8)
            yield m, m.node("QLinearConv", [x, *m.q(0.02, middle(dtype), dtype), w, m.keep(0.01 + 0.001 * random.random(9)),
                                            m.keep(numpy.zeros(9), numpy.int8), *m.q(0.8137, middle(dtype) - 4, dtype),
                                            m.keep(random.integers(-9000, 9000, 9), numpy.int32)], domain,
                            pads=[1, 1, 1, 1], strides=[2, 1], **attributes)
    # weight zero points: one, and one per channel (uint8)
    for zero in (numpy.array(131), random.integers(90, 160, 9)):
        m = Maker()
        w = m.keep(integers((9, 6, 3, 3)), numpy.uint8)
        yield m, m.node("QLinearConv", [m.feed(integers((1, 6, 8, 9))), *m.q(0.02, 117, numpy.uint8), w,
                                        m.keep(0.01 if zero.ndim == 0 else 0.01 + 0.001 * random.random(9)),
                                        m.keep(zero, numpy.uint8), *m.q(0.8137, 120, numpy.uint8)], pads=[1, 0, 1, 0])


@case
def matmul_nbits():
    for bits in (2, 4, 8):
        for block, k in ((16, 64), (32, 80), (128, 128)):
            for zeros in ("none", "packed", "float")[:2 if bits == 8 else 3]:  # ONNX Runtime has no more
                for level in (0, 4) if bits == 4 and zeros == "none" else (0,):
                    m, columns, blocks = Maker(), 9, (k + block - 1) // block
                    row = (blocks * bits + 7) // 8
                    given = [m.feed(floats(3, k)), m.keep(integers((columns, blocks, block * bits // 8)), numpy.uint8),
                             m.keep(0.01 + 0.01 * random.random(columns * blocks))]
                    if zeros == "packed":
                        given.append(m.keep(integers((columns * row,)), numpy.uint8))
                    if zeros == "float":
                        given.append(m.keep(random.random(columns * blocks) * 2 ** bits))
                    m.tolerance = 2e-2 if level else 1e-5  # level 4 lets ONNX Runtime quantize the activations
                    yield m, m.node("MatMulNBits", given, MS, K=k, N=columns, bits=bits, block_size=block,
                                    accuracy_level=level)


@case
def weights_of_few_bits():
    for dtype, low, high in ((ml_dtypes.int4, -8, 8), (ml_dtypes.uint4, 0, 16)):
        for kind in ("tensor", "axis", "block"):
            m = Maker()
            w = m.keep(random.integers(low, high, (64, 12)), dtype)
            shape = {"tensor": (), "axis": (12,), "block": (4, 12)}[kind]
            zero = m.keep(numpy.asarray(random.integers(low, high, shape)), dtype)
            scale = m.keep(0.01 + 0.01 * random.random(shape))
            attributes = {"tensor": {}, "axis": {"axis": 1}, "block": {"axis": 0, "block_size": 16}}[kind]
            w = m.node("DequantizeLinear", [w, scale, zero], **attributes)
            yield m, m.node("MatMul", [m.feed(floats(5, 64)), w])


@case
def qcdq():
    """Brevitas: few bits in bytes, by a Clip of integers."""
    for signed, narrow, bits in ((1, 1, 4), (1, 0, 3), (0, 0, 4), (0, 0, 2), (1, 1, 2)):
        dtype = numpy.int8 if signed else numpy.uint8
        low, high = (-2 ** (bits - 1) + narrow, 2 ** (bits - 1) - 1) if signed else (0, 2 ** bits - 1)

        def chain(m, x, scale):
            parameters = m.q(scale, 0, dtype)
            q = m.node("Clip", [m.node("QuantizeLinear", [x, *parameters]), m.keep(low, dtype), m.keep(high, dtype)])
            return m.node("DequantizeLinear", [q, *parameters])

        m = Maker(13)
        x = chain(m, m.feed(floats(1, 6, 8, 8)), 0.3)
        w_scale = m.keep(0.1 + 0.05 * random.random(5))
        w_zero = m.keep(numpy.zeros(5), numpy.int8)
        w = m.node("QuantizeLinear", [m.keep(floats(5, 6, 3, 3)), w_scale, w_zero], axis=0)
        w = m.node("Clip", [w, m.keep(-7, numpy.int8), m.keep(7, numpy.int8)])
        w = m.node("DequantizeLinear", [w, w_scale, w_zero], axis=0)
        y = m.node("Relu", [m.node("Conv", [x, w], pads=[1, 1, 1, 1])])
        yield m, chain(m, y, 0.61)


@case
def einsum():
    for equation, *shapes in (("bij,bjk->bik", (2, 3, 4), (2, 4, 5)), ("ij,kj->ik", (3, 4), (5, 4)), ("i,i", (7,), (7,)),
                              ("i,j->ij", (3,), (4,)), ("bhid,bhjd->bhij", (2, 3, 4, 5), (2, 3, 6, 5)), ("ij->ji", (3, 4)),
                              ("ijk->k", (3, 4, 5)), ("ij,jk,kl->il", (3, 4), (4, 5), (5, 6)), ("bi,i->b", (3, 4), (4,)),
                              ("abc,cd->abd", (2, 3, 4), (4, 5)), ("ij,ij->ij", (3, 4), (3, 4)), ("ab,cd->", (2, 3), (4, 5)),
                              ("...ij,...jk->...ik", (2, 3, 4, 5), (2, 3, 5, 6)), ("ji,kj", (3, 4), (5, 3))):
        m = Maker()
        yield m, m.node("Einsum", [m.feed(floats(*shape)) for shape in shapes], equation=equation)


def run_one(m, result):
    """The share of equal elements and the largest difference, in steps or of the largest element."""
    model = m.model(result)
    onnx.save(model, PATH)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    # DequantizeLinear, MatMul becomes MatMulNBits: with float activations, as it says.
    options.add_session_config_entry("session.qdq_matmulnbits_accuracy_level", "1")
    session = onnxruntime.InferenceSession(str(PATH), options, providers=["CPUExecutionProvider"])
    wanted = session.run(None, {i.name: v for i, v in zip(m.inputs, m.values)})[0]
    found = native.Network(PATH, *getattr(m, "options", [])).run(m.values)[0]
    if found.dtype != wanted.dtype or found.shape != wanted.shape:
        return 0, f"{found.dtype}{found.shape}, not {wanted.dtype}{wanted.shape}", False
    difference = abs(found.astype(float) - wanted.astype(float))
    if wanted.dtype.kind == "f":
        most = difference.max() / abs(wanted).max()
        return (difference == 0).mean(), most, most <= getattr(m, "tolerance", 1e-5)
    same = (difference == 0).mean()
    return same, difference.max(), difference.max() <= 1 and same >= 0.99


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    models.CACHE.mkdir(parents=True, exist_ok=True)
    all_good = True
    for function in CASES:
        if args.names and not any(n in function.__name__ for n in args.names):
            continue
        count, least, most, unsupported = 0, 1.0, 0.0, 0
        for m, result in function():
            name = f"{function.__name__} {count}"
            count += 1
            try:
                same, difference, good = run_one(m, result)
            except onnxruntime.capi.onnxruntime_pybind11_state.NotImplemented:
                unsupported += 1
                continue
            except (native.Refused, onnxruntime.capi.onnxruntime_pybind11_state.Fail,
                    onnxruntime.capi.onnxruntime_pybind11_state.InvalidGraph,
                    onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument) as error:
                print(f"{name}: {error}")
                all_good = False
                continue
            if args.verbose or not good:
                print(f"{name}: {100 * same:.2f} % equal, largest difference {difference}")
            all_good &= good
            least, most = min(least, same), max(most, difference) if good else most
        print(f"{function.__name__}: {count} cases, at least {100 * least:.2f} % equal, largest difference {most:.3g}" +
              (f", {unsupported} that ONNX Runtime has not" if unsupported else ""), flush=True)
    PATH.unlink(missing_ok=True)
    sys.exit(not all_good)


if __name__ == "__main__":
    main()
