#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The structure-only networks (light_*) with distinct weights, against ONNX Runtime.

  build/bench-venv/bin/python bench/light.py [--write] [NAME...]

Their published files hold one repeated value per tensor, which tests nothing; the data pack's
randomize_constants.py gives them weights and ONNX Runtime (optimizations disabled) the outputs, which
`adze verify` must reproduce within 5e-4 of the largest one. Squeezenet is also run in the interpreter.
"""
import argparse
import re
import shutil
import subprocess
import sys

import models

TOOL = models.DATA.parent / "tools" / "randomize_constants.py"


def verify(folder, *options):
    command = [models.ADZE, "verify", folder / "model.onnx", *options]
    done = subprocess.run(command, capture_output=True, text=True)
    print(done.stdout + done.stderr, end="", flush=True)
    return done.returncode == 0, done.stdout.strip().splitlines()


def summary(out):
    """Of what verify says, the part that is not the place of the files."""
    return "; ".join(re.sub(r"^(\w+) .* outputs: ", r"\1: ", line) for line in out[:-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--write", action="store_true")
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    names = sorted(p.name for p in (models.DATA / "models").glob("light_*"))
    all_good, lines = True, ["| network | result |", "|---|---|"]
    for name in names:
        if args.names and not any(n in name for n in args.names):
            continue
        folder = models.CACHE / name
        subprocess.run([sys.executable, TOOL, models.plain(models.find(name)), folder], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for cpu in ("x86-64", "x86-64-v3", "native"):
            good, out = verify(folder, "--float", f"--cpu={cpu}")
            all_good &= good
            lines.append(f"| {name} {cpu} | {summary(out)} |")
        if name == "light_squeezenet":
            good, out = verify(folder, "--float", "--both")
            all_good &= good
        shutil.rmtree(folder)
    if args.write:
        models.write_section("light", lines)
    sys.exit(not all_good)


if __name__ == "__main__":
    main()
