#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How long a network takes at fewer bits, against the same network at 8, on one core.

  build/bench-venv/bin/python bench/widths_speed.py [--core N] [--rounds N] [--seconds S] [--layers] [--write]
                                                    [--only NETWORK,...] [--widths W8A8,W4A8,...] [--kernels]

Executables of one network run in turn, round after round, pinned to one core; the fastest run of all counts. Where
fewer bits take more than 10 % longer, the layers that do are named from a profile of both, and so are those that
`adze info` names from its table of rates. Before them, kernels alone (`bench_kernels bits`): a convolution and one row
against weights that no cache holds, each width against 8 bits in the same run, over several runs; `--kernels` stops
there. `--write` puts the tables into docs/benchmarks.md.
"""
import argparse
import json
import os
import re
import statistics
import subprocess

import numpy as np

import models

UNIT = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}
NETWORKS = [models.RESNET8, models.RESNET20, models.DSCNN, models.MOBILENET_025, models.MOBILENET_100,
            models.AUTOENCODER]
WIDTHS = ["W8A8", "W7A8", "W6A8", "W5A8", "W4A8", "W3A8", "W2A8", "W1A8", "W4A4", "W2A2", "W1A1"]
LIMIT = 1.1

# Layers and precisions as bench_kernels names them, and how many times as fast as int8 they are to be.
KERNEL_ROUNDS = 3
KERNELS = [
    ("bits 3x3 64-64 @56", "w4 a8", 0.9), ("bits 3x3 64-64 @56", "w2 a8", 0.9), ("bits 3x3 64-64 @56", "w1 a1", 3.5),
    ("bits dense 16384-8192", "w4 a8", 1.5), ("bits dense 16384-8192", "w2 a8", 2.5), ("bits dense 16384-8192", "w1 a8", 4.0),
]


def kernel_ratios(layer):
    """How many times as fast as int8 each precision is, in one run."""
    out = subprocess.run([models.ADZE.parent / "bench_kernels", layer], check=True, capture_output=True, text=True).stdout
    return {p: float(x) for p, x in re.findall(r"(w\d a\d) .* ([0-9.]+) x ", out)}


def kernels():
    """A line for each of KERNELS. The program is no part of a plain build."""
    subprocess.run(["cmake", "--build", models.ADZE.parent, "--target", "bench_kernels"], check=True, stdout=subprocess.DEVNULL)
    runs = {layer: [kernel_ratios(layer) for _ in range(KERNEL_ROUNDS)] for layer in {k[0] for k in KERNELS}}
    lines = [f"Kernels (`bench_kernels bits`): times as fast as int8 in the same run, of {KERNEL_ROUNDS} runs. W1 is bipolar; W1A1 "
             "is 3.5 times as fast where the target has VPOPCNTDQ.", "",
             "| layer | widths | wanted | median | least | most |", "|---|---|---|---|---|---|"]
    for layer, precision, wanted in KERNELS:
        ratios = [run[precision] for run in runs[layer]]
        lines.append(f"| {layer.removeprefix('bits ')} | {precision.upper().replace(' ', '')} | {wanted} | "
                     f"{statistics.median(ratios):.2f} | {min(ratios):.2f} | {max(ratios):.2f} |")
    return lines


class Contender:
    """One network at one pair of widths. Ranges come from a few samples: they do not change the speed."""

    def __init__(self, model, widths, source):
        weights, acts = re.fullmatch(r"W(\d)A(\d)", widths).groups()
        self.widths = widths
        self.options = [f"--calib={source}", f"--weights={weights}", f"--acts={acts}"]
        self.path = models.CACHE / f"{model.name}.{widths.lower()}"
        self.input = models.CACHE / f"input_{model.name}.npy"
        self.error = None
        command = [models.ADZE, "compile", model.path, *self.options, "--json", "-o", self.path]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            self.error = done.stderr.strip().splitlines()[0]
            return
        self.report = json.loads(done.stdout)
        self.best, self.runs, self.layer = float("inf"), 3, {}

    def time(self, seconds):
        out = subprocess.run([self.path, self.input, "--bench", str(self.runs)], check=True,
                             capture_output=True, text=True).stdout
        value, unit = re.search(r"min ([0-9.e+-]+) (\w+)", out).groups()
        once = float(value) * UNIT[unit]
        self.best = min(self.best, once)
        self.runs = max(3, min(100000, int(seconds / once)))

    def profile(self, rounds):
        """The fastest time of each layer, in order."""
        for _ in range(rounds):
            out = subprocess.run([self.path, self.input, "--profile"], check=True, capture_output=True,
                                 text=True).stdout
            for i, line in enumerate(out.splitlines()):
                found = re.match(r"\s*([0-9.]+) (ns|us|ms|s)\s", line)
                if found and "all layers" not in line:
                    t = float(found.group(1)) * UNIT[found.group(2)]
                    self.layer[i] = min(self.layer.get(i, t), t)
        return [self.layer[i] for i in sorted(self.layer)]


def source_of(model):
    """A few samples as the network reads them, and one of them as its input."""
    calib = models.CACHE / f"calib_{model.name}.npy"
    array = np.load(calib)
    few = models.CACHE / f"few_{model.name}.npy"
    np.save(few, array[:4])
    np.save(models.CACHE / f"input_{model.name}.npy", array[:1])
    return few


def slower_layers(narrow, wide):
    """Layers with work that take more than LIMIT times as long; both networks have the same ones in order."""
    a = {x["name"]: (i, x) for i, x in enumerate(narrow.report["layers"]) if x["macs"]}
    b = {x["name"]: i for i, x in enumerate(wide.report["layers"]) if x["macs"]}
    slow, fast, lines = narrow.profile(9), wide.profile(9), []
    for name, (i, layer) in a.items():
        if name in b and i < len(slow) and slow[i] > LIMIT * fast[b[name]] and slow[i] - fast[b[name]] > 2e-7:
            said = "named by `info`" if layer["slower"] else "not named by `info`"
            lines.append(f"{name} ({layer['op']}, {layer['kernel']}): {slow[i] * 1e6:.1f} us against "
                         f"{fast[b[name]] * 1e6:.1f}, {said}")
    return lines


def cell(contender, base):
    if contender.error:
        return "refused"
    ratio = contender.best / base.best
    mark = "**" if ratio > LIMIT else ""
    return f"{contender.best * 1e6:.1f} us, {mark}{ratio:.2f}{mark}"


def measure(model, widths, args):
    source = source_of(model)
    all_of = [Contender(model, w, source) for w in widths]
    running = [c for c in all_of if not c.error]
    for _ in range(args.rounds):
        for contender in running:
            contender.time(args.seconds)
    base, notes = all_of[0], []
    for c in all_of[1:]:
        if c.error:
            notes.append(f"- {model.name} {c.widths}: {c.error}")
        elif c.best > LIMIT * base.best:
            slow = slower_layers(c, base)
            notes.append(f"- {model.name} {c.widths}, {c.best / base.best:.2f}: " + "; ".join(slow))
    row = f"| {model.name} | {base.best * 1e6:.1f} us | " + " | ".join(cell(c, base) for c in all_of[1:]) + " |"
    return row, notes


def networks(args):
    widths = args.widths.split(",")
    wanted = args.only.split(",") if args.only else []
    lines = ["Fastest of interleaved runs on one core; after each time the ratio to W8A8. Above 1.10 it is bold, and the layers "
             "are named below.", "",
             "| network | " + " | ".join(widths) + " |", "|" + "---|" * (len(widths) + 1)]
    notes = []
    for model in NETWORKS:
        if wanted and model.name not in wanted:
            continue
        row, said = measure(model, widths, args)
        print(row, *said, sep="\n", flush=True)
        lines.append(row)
        notes += said
    lines += ["", *notes]
    if args.write:
        models.write_section("width-speed", lines)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--core", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.05)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--widths", default=",".join(WIDTHS))
    parser.add_argument("--kernels", action="store_true")
    args = parser.parse_args()
    os.sched_setaffinity(0, {args.core})
    lines = kernels()
    print(*lines, sep="\n", flush=True)
    if args.write:
        models.write_section("width-kernels", lines)
    if not args.kernels:
        networks(args)


if __name__ == "__main__":
    main()
