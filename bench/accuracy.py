#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Accuracy of 8-bit networks against their float originals, by `adze eval`.

  build/bench-venv/bin/python bench/accuracy.py [--write] [NAME...]

Each network is quantized by Adze from its calibration samples and evaluated on samples that were not among
them (the sound clip, of which there is one only, excepted). `--write` puts the table and the commands into
docs/benchmarks.md. Limits: ResNets lose at most 0.5 point of top-1, the others at most 1.5 and agree with
their float network on at least 97 % of the samples.
"""
import argparse
import json
import subprocess
import sys

import models


def evaluate(model):
    command = [models.ADZE, "eval", model.path, *model.test, *model.prepare, *model.calib,
               f"--against={model.path}", "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{models.show(command)}\n{done.stderr}")
    return command[:-1], json.loads(done.stdout)


def row(model, r):
    quality = f"{r['sqnr_db']:.1f} dB" if "sqnr_db" in r else "exact"
    if "top1_percent" not in r:
        error = float_error(model)
        return (f"| {model.name} | {r['samples']} | squared error {error:.4f} | squared error "
                f"{r['mean_squared_error']:.4f} | {r['mean_squared_error'] - error:+.4f} | | {quality} | |"), True
    before, after, agree = r["against_top1_percent"], r["top1_percent"], r["agreement_percent"]
    allowed = 0.5 if model.name.startswith("resnet") else 1.5
    good = before - after <= allowed and (model.name.startswith("resnet") or agree >= 97)
    return (f"| {model.name} | {r['samples']} | {before:.2f} % | {after:.2f} % | {after - before:+.2f} | "
            f"{agree:.2f} % | {quality} | {'yes' if good else 'NO'} |"), good


def float_error(model):
    command = [models.ADZE, "eval", model.path, "--float", *model.test, *model.prepare, "--json"]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return json.loads(out)["mean_squared_error"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--write", action="store_true")
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    lines = ["| network | samples | float top-1 | int8 top-1 | change | agreement | signal to quantization noise "
             "| within limits |", "|---|---|---|---|---|---|---|---|"]
    commands, all_good = [], True
    for model in models.ACCURACY:
        if args.names and not any(n in model.name for n in args.names):
            continue
        command, report = evaluate(model)
        models.keep("accuracy", model.name, report)
        line, good = row(model, report)
        print(line, flush=True)
        lines.append(line)
        commands.append("    " + models.show(command))
        all_good &= good
    if args.write:
        models.write_section("accuracy", [*lines, "", "The commands of the rows:", "", *commands])
    sys.exit(not all_good)


if __name__ == "__main__":
    main()
