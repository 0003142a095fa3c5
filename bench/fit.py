#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Networks that `adze fit` makes for budgets of flash, by policy: accuracy on data that the search never saw.

  python3 bench/fit.py [--write] [--only-cached] [--what=flash|ram|narrow...] [--policy=NAME...] [--budget=PERCENT...]
                       [NAME...]

Budgets are percents of the .text + .rodata of the network with 8 bits and all channels. The search chooses by the
signal to noise ratio on calibration samples without labels, the accuracy is that of the others (autoencoder: every
second window calibrates, the rest are tested; its mean squared error). Results are kept in build/bench/fit.json as
they come, so an interrupted run goes on; delete a network's entries to measure it again. The second table has budgets
of RAM, in percents of the arena with 8 bits. The third narrows networks with and without fitting the layers that
stay. `--write` puts the tables into docs/benchmarks.md.

Ends with 1 unless every object is within its budget and, where `uniform` is more than 5 points above chance,
`sensitivity` is at least as accurate in 4 of 5 networks at 50 and at 35 %.
"""
import argparse
import json
import subprocess
import sys
import tempfile

import models

BUDGETS = [100, 75, 50, 35, 25]
POLICIES = ["uniform", "sensitivity", "hessian", "orthogonality"]
CLAIMED = [50, 35]

MOBILENET_025 = models.imagenet("mobilenetv1_025_128_f32", ["--resize=128x128"])
AUTOENCODER = models.Model("autoencoder_ad_f32", [f"--calib={models.CACHE}/ad01.npy", "--calib-every=2"],
                           [f"--data={models.CACHE}/ad01.npy", "--every=2", "--invert"])
NETWORKS = [models.RESNET8, models.RESNET20, models.DSCNN, MOBILENET_025, AUTOENCODER]
CHANCE = {"resnet8_cifar10": 10, "resnet20_cifar10": 10, "dscnn_kws": 100 / 12, "mobilenetv1_025_128": 0.1}

NARROWED = [models.RESNET8, models.RESNET20, models.DSCNN]
RATIOS = [0.75, 0.5]

RESULTS = models.CACHE / "fit.json"


def load():
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {}


def keep(key, value):
    results = load()
    results[key] = value
    RESULTS.write_text(json.dumps(results, indent=1))


def call(command, accepted=(0,)):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode not in accepted:
        sys.exit(f"{models.show(command)}\n{done.stderr}")
    return done.stdout


def evaluate(path, model, options=()):
    report = json.loads(call([models.ADZE, "eval", path, *model.test, *model.prepare, *options, "--json"]))
    return {k: report.get(k) for k in ("samples", "top1_percent", "mean_squared_error")}


def fit(model, what, budget, policy):
    """`what`: flash or ram."""
    key = "arena_bytes" if what == "ram" else "flash_bytes"
    with tempfile.TemporaryDirectory() as folder:
        out = f"{folder}/net.adz"
        report = json.loads(call([models.ADZE, "fit", model.path, *model.calib, *model.prepare,
                                  f"--{what}={budget}%", f"--policy={policy}", "-o", out, "--json",
                                  f"--journal={models.CACHE / model.name}.{what}.journal"], (0, 3)))
        chosen = report["chosen"]
        if not chosen:
            return {"budget": report["budget"][key], "chosen": None}
        result = {"budget": report["budget"][key], "chosen": chosen[key]}
        result |= {k: chosen[k] for k in ("width", "bits", "activation_bits", "compact", "sqnr_db")}
        return result | {"tested": evaluate(out, model)}


def narrow(model, ratio, fitted):
    """Top-1 of the float network at this width."""
    with tempfile.TemporaryDirectory() as folder:
        out = f"{folder}/net.adz"
        passes = f"rescale-widths{{ratio={ratio}{'' if fitted else ',reconstruct=false'}}}"
        call([models.ADZE, "opt", model.path, *model.calib, *model.prepare, f"--passes={ROAD},{passes}", "-o", out])
        return evaluate(out, model, ["--float"])


ROAD = ("infer-shapes,fold-constants,canonicalize,decompose,fold-batchnorm,fuse-activation,sink-transposes")


def cell(result):
    if result is None:
        return "…"
    if not result["chosen"]:
        return "none fits"
    tested = result["tested"]
    quality = (f"{tested['top1_percent']:.2f}" if tested["top1_percent"] is not None
               else f"{tested['mean_squared_error']:.3f}")
    bits = list(result["bits"].values()) or [*result["activation_bits"].values(), 8]
    mean = f"{min(bits)}" if min(bits) == max(bits) else f"{min(bits)} to {max(bits)}"
    return (f"{quality}<br>{100 * result['chosen'] / result['budget']:.1f} %, width {result['width']:.2f}, "
            f"{mean} bits{', compact' if result['compact'] else ''}")


def quality_of(result):
    """Larger is better; None: nothing fits."""
    if not result or not result["chosen"]:
        return None
    tested = result["tested"]
    return tested["top1_percent"] if tested["top1_percent"] is not None else -tested["mean_squared_error"]


def judge(results, budget):
    """Networks in which sensitivity is at least as accurate as uniform, those that count, and a line on each."""
    won, counted, lines = 0, 0, []
    for model in NETWORKS:
        uniform = quality_of(results.get(f"{model.name} {budget} uniform"))
        ours = quality_of(results.get(f"{model.name} {budget} sensitivity"))
        if model.name in CHANCE and uniform is not None and uniform <= CHANCE[model.name] + 5:
            lines.append(f"{model.name}: uniform is at chance")
            continue
        good = ours is not None and (uniform is None or ours >= uniform)
        counted += 1
        won += good
        lines.append(f"{model.name}: {ours} against {uniform}: {'at least as good' if good else 'WORSE'}")
    return won, counted, lines


def measure_flash(args):
    for model in filter(args.wanted, NETWORKS):
        if f"{model.name} float" not in load():
            keep(f"{model.name} float", evaluate(model.path, model, ["--float"]))
        for budget in args.budget:
            for policy in args.policy:
                key = f"{model.name} {budget} {policy}"
                if key not in load():
                    result = fit(model, "flash", budget, policy)
                    keep(key, result)
                    print(key, cell(result), flush=True)
                    if result["chosen"] == result["budget"]:  # the network with 8 bits, whatever the policy
                        for other in POLICIES:
                            keep(f"{model.name} {budget} {other}", result)


def measure_ram(args):
    for model in filter(args.wanted, NETWORKS):
        for budget in args.budget:
            key = f"{model.name} ram {budget}"
            if key not in load():
                keep(key, fit(model, "ram", budget, "sensitivity"))
                print(key, cell(load()[key]), flush=True)


def measure_narrowed(args):
    for model in filter(args.wanted, NARROWED):
        for ratio in RATIOS:
            for fitted in (False, True):
                key = f"{model.name} narrowed {ratio} {'fitted' if fitted else 'plain'}"
                if key not in load():
                    keep(key, narrow(model, ratio, fitted))
                    print(key, load()[key]["top1_percent"], flush=True)


def ram_table(results):
    lines = ["| network | " + " | ".join(f"{b} %" for b in BUDGETS) + " |", "|---" * (1 + len(BUDGETS)) + "|"]
    for model in NETWORKS:
        row = [results.get(f"{model.name} ram {budget}") for budget in BUDGETS]
        full = next((r["budget"] for r in row if r), None)
        if full:
            lines.append(f"| {model.name}, {full} bytes | " + " | ".join(map(cell, row)) + " |")
    return lines


def fit_table(results):
    lines = ["| network | budget | " + " | ".join(POLICIES) + " |", "|---" * (2 + len(POLICIES)) + "|"]
    for model in NETWORKS:
        real = results.get(f"{model.name} float")
        if not real:
            continue
        name = (f"{model.name}, float {real['top1_percent']:.2f}" if real["top1_percent"] is not None
                else f"{model.name}, float {real['mean_squared_error']:.3f}") + f" ({real['samples']} samples)"
        for budget in BUDGETS:
            row = [results.get(f"{model.name} {budget} {policy}") for policy in POLICIES]
            size = next((r["budget"] for r in row if r), None)
            if size:
                lines.append(f"| {name} | {budget} %: {size} | " + " | ".join(map(cell, row)) + " |")
                name = ""
    return lines


def narrow_table(results):
    lines = ["| network | width | as it is | fitted | margin |", "|---|---|---|---|---|"]
    for model in NARROWED:
        for ratio in RATIOS:
            plain, fitted = (results.get(f"{model.name} narrowed {ratio} {how}") for how in ("plain", "fitted"))
            if plain and fitted:
                a, b = plain["top1_percent"], fitted["top1_percent"]
                lines.append(f"| {model.name} | {ratio} | {a:.2f} | {b:.2f} | {b - a:+.2f} |")
    return lines


MEASURES = {"flash": measure_flash, "ram": measure_ram, "narrow": measure_narrowed}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--only-cached", action="store_true")
    parser.add_argument("--what", action="append", choices=MEASURES)
    parser.add_argument("--policy", action="append")
    parser.add_argument("--budget", action="append", type=int)
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    args.policy, args.budget = args.policy or POLICIES, args.budget or BUDGETS
    args.wanted = lambda model: not args.names or any(n in model.name for n in args.names)
    models.CACHE.mkdir(parents=True, exist_ok=True)
    for what in [] if args.only_cached else args.what or MEASURES:
        MEASURES[what](args)

    results, good = load(), True
    for result in results.values():
        good &= not result.get("chosen") or result["chosen"] <= result["budget"]
    lines = fit_table(results)
    for budget in CLAIMED:
        won, counted, judged = judge(results, budget)
        good &= won >= min(4, counted)
        print(f"{budget} %: sensitivity at least as good as uniform in {won} of {counted}")
        print("".join(f"  {line}\n" for line in judged), end="")
    if any("…" in line for line in lines):
        lines += ["", "…: not measured yet."]
    lines += ["", "Budgets of RAM, in percents of the arena with 8 bits: what of it is used, the bits of activations:", "",
              *ram_table(results)]
    lines += ["", "Narrowing float networks by importance (`activation`), the layers that stay as they are or fitted to "
              "what they gave before (top-1):", "", *narrow_table(results)]
    print("\n".join(lines))
    if args.write:
        models.write_section("fit", lines)
    sys.exit(not good)


if __name__ == "__main__":
    main()
