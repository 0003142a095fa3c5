#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Accuracy of networks at fewer bits beside their float originals, by `adze eval`.

  build/bench-venv/bin/python bench/widths.py [--write] [NAME...]

Calibration, rounding and bias correction see the calibration samples only, the accuracy is that of others
(bench/models.py). First and last layers keep 8 bits, as `adze` does unless --edges says otherwise; the column
1/1 has them, too. `--write` puts the tables into docs/benchmarks.md. Ends with 1 unless W8A8 is within 0.3 point
of float for the ResNets and W4A8 within 1.0 for ResNet-20 and ResNet-56.
"""
import argparse
import json
import subprocess
import sys
import time

import models

ROUND = ["--round=adaround"]
GPTQ = ["--round=gptq", "--correct-bias"]  # at 2 bits better than AdaRound, by far for small networks
# weights, activations, options
COLUMNS = [(8, 8, []), (4, 8, ROUND), (4, 4, ROUND), (3, 8, ROUND), (2, 8, GPTQ), (1, 1, ["--correct-bias"])]
COLUMNS_GPTQ = [(4, 8, GPTQ), (4, 4, GPTQ), (3, 8, GPTQ)]
METHODS = [("nearest", []), ("nearest, bias", ["--correct-bias"]),
           ("gptq, bias", GPTQ), ("adaround", ROUND)]

RESNET56 = models.cifar("resnet56_cifar10_f32", models.CIFAR_NORMAL)
# As in bench/models.py, but one byte for every operand: --fine is for 8 bits.
MOBILENET_025 = models.imagenet("mobilenetv1_025_128_f32", ["--resize=128x128"])
NETWORKS = [models.RESNET8, models.RESNET20, RESNET56, models.DSCNN, MOBILENET_025, models.MOBILENET_100]
ROUNDED = [models.RESNET20, RESNET56]
LARGE = [models.MOBILENET_100]  # GPTQ in the place of AdaRound, which takes minutes here


def evaluate(model, options):
    command = [models.ADZE, "eval", model.path, *model.test, *model.prepare, *model.calib, *options, "--json"]
    begin = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{models.show(command)}\n{done.stderr}")
    report = json.loads(done.stdout)
    report["seconds"] = time.monotonic() - begin
    return report


def float_accuracy(model):
    command = [models.ADZE, "eval", model.path, "--float", *model.test, *model.prepare, "--json"]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return json.loads(out)


def widths_row(model, columns):
    before = float_accuracy(model)
    cells, good = [], True
    for weights, acts, options in columns:
        if model in LARGE and options == ROUND:
            options = GPTQ
        report = evaluate(model, [f"--weights={weights}", f"--acts={acts}", *options])
        models.keep("widths", f"{model.name} {weights}/{acts}", report)
        lost = before["top1_percent"] - report["top1_percent"]
        cells.append(f"{report['top1_percent']:.2f} ({-lost:+.2f})")
        if model.name.startswith("resnet"):
            good &= (weights, acts) != (8, 8) or lost <= 0.3
        if model in ROUNDED:
            good &= (weights, acts) != (4, 8) or lost <= 1.0
    return (f"| {model.name} | {before['samples']} | {before['top1_percent']:.2f} | "
            + " | ".join(cells) + " |"), good


def methods_row(model, weights):
    cells, nearest = [], None
    for name, options in METHODS:
        report = evaluate(model, [f"--weights={weights}", *options])
        models.keep("widths", f"{model.name} {weights}/8 {name}", report)
        accuracy = report["top1_percent"]
        nearest = accuracy if nearest is None else nearest
        cells.append(f"{accuracy:.2f} ({accuracy - nearest:+.2f}), {report['seconds']:.0f} s")
    return f"| {model.name} | {weights} | " + " | ".join(cells) + " |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--write", action="store_true")
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()

    models.CACHE.mkdir(parents=True, exist_ok=True)

    def wanted(model):
        return not args.names or any(n in model.name for n in args.names)

    lines, all_good = [], True
    for columns, title in [(COLUMNS, []), (COLUMNS_GPTQ, ["", "Rounded by GPTQ with `--correct-bias` instead:", ""])]:
        lines += title + ["| network | samples | float | " + " | ".join(f"W{w}A{a}" for w, a, _ in columns) + " |",
                          "|---" * (len(columns) + 3) + "|"]
        for model in filter(wanted, NETWORKS):
            line, good = widths_row(model, columns)
            print(line, flush=True)
            lines.append(line)
            all_good &= good
    lines += ["", "Weights rounded in different ways, activations of 8 bits; in brackets the margin over nearest, and "
              "how long making and evaluating the network took:", "",
              "| network | weights | " + " | ".join(name for name, _ in METHODS) + " |",
              "|---" * (len(METHODS) + 2) + "|"]
    for model in filter(wanted, ROUNDED):
        for weights in (4, 3):
            lines.append(methods_row(model, weights))
            print(lines[-1], flush=True)
    if args.write:
        models.write_section("widths", lines)
    sys.exit(not all_good)


if __name__ == "__main__":
    main()
