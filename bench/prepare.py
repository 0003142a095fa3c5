#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Data in the form the networks take, into build/bench: the windows of the sound clip, and calibration arrays for ONNX Runtime's quantizer (the samples and the preprocessing that
`adze --calib` gets on its command line)."""
import io
import lzma
import sys
import tarfile

import numpy as np
from PIL import Image

import models


def pictures(size, scale, mean):
    """Every 7th picture of the archive in name order, [n,3,size,size] floats."""
    out = []
    with tarfile.open(models.DATA / "imagenet" / "images.tar") as tar:
        members = sorted((m for m in tar if m.name.endswith(".jpg")), key=lambda m: m.name)
        for member in members[::7]:
            image = Image.open(io.BytesIO(tar.extractfile(member).read())).convert("RGB")
            if image.size != (size, size):
                image = image.resize((size, size), Image.Resampling.BILINEAR)
            out.append((np.asarray(image, np.float32) * scale - mean).transpose(2, 0, 1))
    return np.stack(out)


def main():
    models.CACHE.mkdir(parents=True, exist_ok=True)

    def save(name, make):
        path = models.CACHE / name
        if not path.exists():
            np.save(path, np.ascontiguousarray(make(), np.float32))
            print("made", name)

    features = np.load(models.DATA / "kws01" / "features.npy").astype(np.float32)
    frames = np.load(models.DATA / "ad01" / "normal_id_01_00000000_logmel.npy")
    cifar = np.load(io.BytesIO(lzma.open(models.DATA / "cifar10" / "train2000_images.npy.xz").read()))
    cifar = cifar[:500].transpose(0, 3, 1, 2).astype(np.float32)
    mean = np.float32([0.485, 0.456, 0.406]).reshape(3, 1, 1)
    std = np.float32([0.229, 0.224, 0.225]).reshape(3, 1, 1)
    keywords = ((features - 83) * np.float32(0.5847029)).reshape(-1, 1, 49, 10)
    windows = np.stack([frames[i:i + 5].ravel() for i in range(len(frames) - 4)])
    save("ad01.npy", lambda: windows)
    save("calib_dscnn_kws.npy", lambda: keywords[::5])
    save("calib_autoencoder_ad.npy", lambda: windows)
    save("calib_resnet8_cifar10.npy", lambda: cifar)
    save("calib_resnet20_cifar10.npy", lambda: (cifar / 255 - mean) / std)
    save("calib_mobilenetv1_100_224.npy", lambda: pictures(224, 1 / 127.5, 1))
    save("calib_mobilenetv1_025_128.npy", lambda: pictures(128, 1 / 127.5, 1))
    save("calib_mobilenetv1_vww.npy", lambda: pictures(96, 1 / 255, 0))


if __name__ == "__main__":
    sys.exit(main())
