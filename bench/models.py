# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks measure: networks of the data pack, their data and their preprocessing, once.

The data pack is found through AZ_DATA (default ../shared/data beside the checkout); commands in
reports are printed with $DATA in its place.
"""
import json
import lzma
import os
import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent
DATA = pathlib.Path(os.environ.get("AZ_DATA", ROOT.parent / "shared" / "data"))
BUILD = ROOT / "build"
CACHE = BUILD / "bench"
ADZE = pathlib.Path(os.environ.get("ADZE", BUILD / "release" / "adze"))

CIFAR_NORMAL = ["--input-scale=0.003921568627", "--input-mean=0.485,0.456,0.406",
                "--input-std=0.229,0.224,0.225"]
SIGNED = ["--input-scale=0.007843137255", "--input-mean=1"]


def find(folder):
    path = DATA / "models" / folder / "model.onnx"
    return path if path.exists() else path.with_name("model.onnx.xz")


def plain(path):
    """The same network in a file without compression: ONNX Runtime reads no other."""
    if path.suffix != ".xz":
        return path
    out = CACHE / f"{path.parent.name}.onnx"
    if not out.exists():
        out.write_bytes(lzma.open(path).read())
    return out


class Model:
    """`calib`: options that choose calibration samples; `test`: data set, labels and choice of samples."""

    def __init__(self, folder, calib, test=(), prepare=(), qdq=None):
        self.name = folder.removesuffix("_f32")
        self.path = find(folder)
        self.calib, self.test, self.prepare = list(calib), list(test), list(prepare)
        self.qdq = find(qdq) if qdq else None


def cifar(folder, prepare, qdq=None):
    return Model(folder, [f"--calib={DATA}/cifar10/train2000_images.npy.xz", "--calib-limit=500"],
                 [f"--data={DATA}/cifar10/test_images.npy.xz", f"--labels={DATA}/cifar10/test_labels.npy"],
                 ["--input-layout=nhwc", *prepare], qdq)


def imagenet(folder, prepare, qdq=None):
    return Model(folder, [f"--calib={DATA}/imagenet/images.tar", "--calib-every=7"],
                 [f"--data={DATA}/imagenet/images.tar", f"--labels={DATA}/imagenet/labels.tsv",
                  "--label-offset=1", "--every=7", "--invert"], [*SIGNED, *prepare], qdq)


RESNET8 = cifar("resnet8_cifar10_f32", [], "resnet8_cifar10_qdq")
RESNET20 = cifar("resnet20_cifar10_f32", CIFAR_NORMAL)
DSCNN = Model("dscnn_kws_f32", [f"--calib={DATA}/kws01/features.npy", "--calib-every=5"],
              [f"--data={DATA}/kws01/features.npy", f"--labels={DATA}/kws01/labels.npy", "--every=5", "--invert"],
              ["--input-scale=0.5847029", "--input-mean=48.5303407"], "dscnn_kws_qdq")
MOBILENET_025 = imagenet("mobilenetv1_025_128_f32", ["--resize=128x128"], "mobilenetv1_025_128_qdq")
# Its first layers do not bear 8 bits: with one byte each the agreement is 94 % (docs/passes.md, --fine).
MOBILENET_025.calib += ["--fine=4", "--exact"]
MOBILENET_100 = imagenet("mobilenetv1_100_224_f32", [], "mobilenetv1_100_224_qdq")
VWW = Model("mobilenetv1_vww_f32", [f"--calib={DATA}/imagenet/images.tar", "--calib-every=7"],
            prepare=["--input-scale=0.003921568627", "--resize=96x96"], qdq="mobilenetv1_vww_qdq")
AUTOENCODER = Model("autoencoder_ad_f32", [f"--calib={CACHE}/ad01.npy"], [f"--data={CACHE}/ad01.npy"],
                    qdq="autoencoder_ad_qdq")

ACCURACY = [RESNET8, RESNET20, DSCNN, MOBILENET_025, MOBILENET_100, AUTOENCODER]
SPEED = [RESNET8, RESNET20, MOBILENET_100, VWW, AUTOENCODER, DSCNN]


def show(command):
    """A command line as a reader would type it, without the places of this machine."""
    return (" ".join(str(word) for word in command).replace(str(DATA), "$DATA")
            .replace(str(CACHE), "build/bench").replace(str(ADZE), "adze"))


def keep(name, key, value):
    """Adds one result to build/bench/NAME.json, where bench/readme.py finds it."""
    path = CACHE / f"{name}.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    results[key] = value
    path.write_text(json.dumps(results, indent=1))


def write_section(name, lines, file="docs/benchmarks.md"):
    """Replaces the part of a page between the markers of this name."""
    path = ROOT / file
    text = path.read_text()
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
    head, rest = text.split(begin)
    tail = rest.split(end)[1]
    path.write_text(head + begin + "\n".join(lines) + "\n" + end + tail)
