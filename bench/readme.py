#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the README's table from the results that accuracy.py and speed.py kept in build/bench."""
import json

import models


def quality(report):
    if not report:
        return "", ""
    if "top1_percent" in report:
        return f"{report['against_top1_percent']:.2f} %", f"{report['top1_percent']:.2f} %"
    return "", f"{report['sqnr_db']:.1f} dB"


def show(seconds):
    return f"{seconds * 1e6:.3g} us" if seconds < 1e-3 else f"{seconds * 1e3:.3g} ms"


def main():
    accuracy = json.loads((models.CACHE / "accuracy.json").read_text())
    speed = json.loads((models.CACHE / "speed.json").read_text())
    lines = ["| network | top-1 float | top-1 int8 | f32: Adze, ORT | int8: Adze, ORT | executable |",
             "|---|---|---|---|---|---|"]
    for model in models.SPEED:
        t = speed[model.name]
        best = min(v for k, v in t.items() if k.startswith("ort int8"))
        before, after = quality(accuracy.get(model.name))
        lines.append(f"| {model.name} | {before} | {after} | {show(t['adze f32'])}, {show(t['ort f32'])} | "
                     f"**{show(t['adze int8'])}**, {show(best)} | {t['size']} |")
    some = next(iter(speed.values()))
    lines += ["", f"One core of {some['processor']}; ONNX Runtime {some['ort']}, the fastest of its 8-bit forms; "
              "the executable holds code, weights and start-up. `bench/accuracy.py` and `bench/speed.py` measure it; "
              "[docs/benchmarks.md](docs/benchmarks.md) has the rest."]
    models.write_section("table", lines, "README.md")


if __name__ == "__main__":
    main()
