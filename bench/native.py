# SPDX-License-Identifier: Apache-2.0
"""A network compiled by Adze, called from Python: the shared object that `adze compile --emit=so` writes."""
import ctypes
import re
import subprocess
import tempfile

import numpy

import models

ELEMENTS = {"f32": numpy.float32, "f64": numpy.float64, "f16": numpy.float16, "bool": numpy.bool_,
            **{f"{kind}{bits}": numpy.dtype(f"{name}{bits}") for bits in (8, 16, 32, 64)
               for kind, name in (("i", "int"), ("u", "uint"))}}


class Refused(Exception):
    """What Adze said."""


def _tensors(header, which):
    found = re.findall(rf"^ \*   {which}\[\d+\]  \".*\"  (\w+)\[([\d,]*)\]", header, re.M)
    return [(numpy.dtype(ELEMENTS[elem]), tuple(int(d) for d in dims.split(",") if d)) for elem, dims in found]


class Network:
    """Compiles the model in the file `path`; `run` takes and gives lists of arrays."""

    def __init__(self, path, *options):
        with tempfile.TemporaryDirectory() as folder:
            command = [models.ADZE, "compile", path, "--emit=so", "--name=network", "-o", f"{folder}/network.so",
                       *options]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                raise Refused(done.stderr.strip())
            header = open(f"{folder}/network.h").read()
            self._run = ctypes.CDLL(f"{folder}/network.so").network_run
        self.inputs, self.outputs = _tensors(header, "inputs"), _tensors(header, "outputs")
        self._arena = numpy.zeros(int(re.search(r"_ARENA_BYTES (\d+)", header)[1]) + 64, numpy.uint8)

    def run(self, arrays):
        arrays = [numpy.ascontiguousarray(a) for a in arrays]
        for array, (dtype, shape) in zip(arrays, self.inputs, strict=True):
            if array.dtype != dtype or array.shape != shape:
                raise ValueError(f"{array.dtype}{array.shape} given, {dtype}{shape} wanted")
        results = [numpy.empty(shape, dtype) for dtype, shape in self.outputs]
        arena = self._arena.ctypes.data + -self._arena.ctypes.data % 64
        given = (ctypes.c_void_p * max(len(arrays), 1))(*[a.ctypes.data for a in arrays])
        made = (ctypes.c_void_p * len(results))(*[r.ctypes.data for r in results])
        if self._run(given, made, ctypes.c_void_p(arena), None) != 0:
            raise RuntimeError("the network does not run")
        return results
