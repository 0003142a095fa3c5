# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime's own static quantization (QDQ, per-channel weights, min-max ranges) with the calibration
data that Adze gets; results are kept in build/bench."""
import logging

import numpy as np
import onnx
import onnxruntime as ort
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

import models


class Samples(CalibrationDataReader):
    def __init__(self, model, array):
        name = onnx.load(model).graph.input[0].name
        self.rows = iter([{name: row[None]} for row in array])

    def get_next(self):
        return next(self.rows, None)


def quantized(model, activations):
    """The path of the int8 network; activations "u8" or "s8"."""
    path = models.CACHE / f"ort_{model.name}_{activations}.onnx"
    if path.exists():
        return path
    logging.disable(logging.WARNING)
    prepared = models.CACHE / f"ort_{model.name}_prepared.onnx"
    quant_pre_process(str(models.plain(model.path)), str(prepared), skip_symbolic_shape=True)
    network = onnx.load(prepared)
    versions = {entry.domain: entry for entry in network.opset_import}  # some files name a domain twice
    del network.opset_import[:]
    network.opset_import.extend(versions.values())
    onnx.save(network, prepared)
    kind = QuantType.QUInt8 if activations == "u8" else QuantType.QInt8
    array = np.load(models.CACHE / f"calib_{model.name}.npy")
    quantize_static(str(prepared), str(path), Samples(str(prepared), array), quant_format=QuantFormat.QDQ,
                    per_channel=True, activation_type=kind, weight_type=QuantType.QInt8)
    prepared.unlink()
    return path


if __name__ == "__main__":
    print("ONNX Runtime", ort.__version__)
    for model in models.SPEED:
        for activations in ("u8", "s8"):
            print(model.name, activations, quantized(model, activations).stat().st_size)
