#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Speed of Adze's executables against ONNX Runtime, on one core.

  build/bench-venv/bin/python bench/speed.py [--core N] [--rounds N] [--seconds S] [--write] [NAME...]

Everything runs pinned to one core with one thread. Contenders of a network run in turn, round after round, so
that a change of the clock meets all of them; a round runs each for about S seconds and keeps the median, the
result is the median over the rounds. ONNX Runtime is timed with its input and output bound in place; what a
call from Python costs is measured in the same run and subtracted from its times.
`--write` puts the tables into docs/benchmarks.md. NAME restricts the networks.
"""
import argparse
import datetime
import os
import pathlib
import re
import statistics
import subprocess
import sys
import time

import numpy as np
import onnxruntime as ort

import models
import quantize

UNIT = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}


class Executable:
    """An executable of Adze, timed by its own --bench."""

    def __init__(self, model, name, options):
        self.path = models.CACHE / f"{model.name}.{name}"
        self.options = options
        command = [models.ADZE, "compile", model.path, *options, "-o", self.path]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        self.input = models.CACHE / f"input_{model.name}.npy"
        self.runs = 3

    def size(self):
        return f"{self.path.stat().st_size / 1000:.0f} kB"

    def time(self, seconds):
        out = subprocess.run([self.path, self.input, "--bench", str(self.runs)], check=True,
                             capture_output=True, text=True).stdout
        value, unit = re.search(r"median ([0-9.e+-]+) (\w+)", out).groups()
        median = float(value) * UNIT[unit]
        self.runs = max(3, min(100000, int(seconds / median)))
        return median


class Runtime:
    """A network in ONNX Runtime, one thread, all optimizations."""

    def __init__(self, path, array):
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.log_severity_level = 3
        self.session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        wanted = self.session.get_inputs()[0]
        shape = [d if isinstance(d, int) else 1 for d in wanted.shape]
        if list(array.shape) != shape:  # a channels-last file
            array = array.transpose(0, 2, 3, 1)
        self.binding = self.session.io_binding()
        self.value = ort.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(array.reshape(shape)))
        self.binding.bind_ortvalue_input(wanted.name, self.value)
        for output in self.session.get_outputs():
            shape = [d if isinstance(d, int) else 1 for d in output.shape]
            self.binding.bind_ortvalue_output(
                output.name, ort.OrtValue.ortvalue_from_shape_and_type(shape, np.float32))
        self.runs = 3

    def time(self, seconds):
        bound = self.binding._iobinding
        median = time_calls(lambda run=self.session._sess.run_with_iobinding: run(bound, None), self.runs)
        self.runs = max(3, min(100000, int(seconds / median)))
        return median

    def call_time(self):
        """A call from Python that does nothing."""
        return time_calls(lambda call=self.binding._iobinding.synchronize_inputs: call(), 10000)


def time_calls(call, runs):
    clock, times = time.perf_counter, []
    for _ in range(max(1, runs // 10)):
        call()
    for _ in range(runs):
        start = clock()
        call()
        times.append(clock() - start)
    return statistics.median(times)


def contenders(model):
    array = np.load(models.CACHE / f"calib_{model.name}.npy")[:1]
    np.save(models.CACHE / f"input_{model.name}.npy", array)
    out = {"adze f32": Executable(model, "f32", ["--float"]),
           "adze int8": Executable(model, "int8", [*model.calib, *model.prepare]),
           "ort f32": Runtime(models.plain(model.path), array),
           "ort int8 u8s8": Runtime(quantize.quantized(model, "u8"), array),
           "ort int8 s8s8": Runtime(quantize.quantized(model, "s8"), array)}
    if model.qdq:
        out["ort int8 file"] = Runtime(models.plain(model.qdq), array)
    return out


def measure(items, rounds, seconds):
    times = {name: [] for name in items}
    for item in items.values():  # finds how many runs fit into a round
        item.time(seconds)
    for _ in range(rounds):
        for name, item in items.items():
            times[name].append(item.time(seconds))
    return {name: statistics.median(values) for name, values in times.items()}


def show_time(seconds):
    return f"{seconds * 1e6:.1f} us" if seconds < 1e-3 else f"{seconds * 1e3:.3f} ms"


def row(model, t, items):
    best8 = min((v, k) for k, v in t.items() if k.startswith("ort int8"))
    fastest = min(best8[0], t["ort f32"])
    return (f"| {model.name} | {show_time(t['adze f32'])} | {show_time(t['ort f32'])} | "
            f"{t['ort f32'] / t['adze f32']:.2f} | {show_time(t['adze int8'])} | {show_time(best8[0])} "
            f"({best8[1].removeprefix('ort int8 ')}) | {best8[0] / t['adze int8']:.2f} | "
            f"{fastest / t['adze int8']:.2f} | {items['adze f32'].size()}, {items['adze int8'].size()} |")


def kernels():
    """The kernel benchmark's own report, run in the same minutes."""
    subprocess.run(["cmake", "--build", models.ADZE.parent, "--target", "bench_kernels"], check=True,
                   stdout=subprocess.DEVNULL)
    out = subprocess.run([models.ADZE.parent / "bench_kernels"], capture_output=True, text=True)
    return ["", "Kernels and the peak they are measured against (`bench_kernels`, same run):", "", "```",
            *(out.stdout + out.stderr).strip().splitlines(), "```"]


def compile_times():
    """Whole command, wall clock, best of three."""
    model, rows = models.MOBILENET_100, []
    for name, options in (("float", ["--float"]), ("int8", [*model.calib, *model.prepare])):
        best = 1e9
        for _ in range(3):
            start = time.perf_counter()
            subprocess.run([models.ADZE, "compile", model.path, *options, "-o", models.CACHE / "compiled"],
                           check=True, stdout=subprocess.DEVNULL)
            best = min(best, time.perf_counter() - start)
        rows.append(f"| {model.name} {name} | {best:.2f} s |")
    stem = models.CACHE / "calibrated.adz"
    subprocess.run([models.ADZE, "opt", model.path, "--road", "--stop-after=insert-quantizers", *model.calib,
                    *model.prepare, "-o", stem], check=True)
    best = 1e9
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run([models.ADZE, "compile", stem, "-o", models.CACHE / "compiled"], check=True,
                       stdout=subprocess.DEVNULL)
        best = min(best, time.perf_counter() - start)
    rows.append(f"| {model.name} int8, calibrated before | {best:.2f} s |")
    return ["", "| compile | time |", "|---|---|", *rows]


def processor():
    info = pathlib.Path("/proc/cpuinfo").read_text()
    name = re.search(r"model name\s*: (.*)", info).group(1)
    flags = set(re.search(r"flags\s*: (.*)", info).group(1).split())
    wanted = [f for f in ("avx2", "fma", "avx_vnni", "avx512f", "avx512_vnni") if f in flags]
    return f"{name} ({', '.join(wanted)})"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=0.1)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    chosen = [m for m in models.SPEED if not args.names or any(n in m.name for n in args.names)]
    version = subprocess.run([models.ADZE, "--version"], capture_output=True, text=True).stdout.strip()
    lines = [f"{processor()}, one core; {version}; ONNX Runtime {ort.__version__}; "
             f"{datetime.date.today()}; median of {args.rounds} interleaved rounds.", ""]
    for model in chosen:  # quantization uses every core, before anything is pinned
        for activations in ("u8", "s8"):
            quantize.quantized(model, activations)
    os.sched_setaffinity(0, {args.core})
    lines += ["| network | Adze f32 | ORT f32 | ratio | Adze int8 | best ORT int8 | ratio | "
              "Adze int8 against the faster of both | executable f32, int8 |",
              "|---|---|---|---|---|---|---|---|---|"]
    details = []
    for model in chosen:
        print(model.name, file=sys.stderr)
        items = contenders(model)
        overhead = items["ort f32"].call_time()
        t = measure(items, args.rounds, args.seconds)
        t = {k: v - overhead if k.startswith("ort") else v for k, v in t.items()}
        lines.append(row(model, t, items))
        models.keep("speed", model.name, {**t, "size": items["adze int8"].size(), "ort": ort.__version__,
                                          "processor": processor()})
        details.append("- " + model.name + ": " + ", ".join(f"{k} {show_time(v)}" for k, v in t.items()) +
                       f" (subtracted: {overhead * 1e6:.2f} us)")
    lines += ["", "All contenders:", "", *details]
    if not args.names:
        lines += [*kernels(), *compile_times()]
    print("\n".join(lines))
    if args.write:
        models.write_section("speed", lines)


if __name__ == "__main__":
    main()
