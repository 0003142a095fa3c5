#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains the example network and writes everything beside this file.

  python3 examples/digits/train.py        (Debian: python3-numpy python3-sklearn python3-onnx), one minute

Data: the 1797 handwritten digits of 8x8 pixels that come with scikit-learn (UCI "Optical Recognition of
Handwritten Digits"). The order of the set follows its writers, so the last 360 digits, mostly of writers
not seen in training, are the test split. Nothing of the test split is used before the last line.

The network takes pixels 0..255 as they are: the division by 255 is folded into the first weights.

  conv 3x3 16, depthwise 3x3 + pointwise 32, average pool 2x2, residual block of depthwise 3x3 + pointwise,
  conv 3x3 32, global average pool, fully connected 10, softmax; batch normalization and ReLU between.
"""
import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits

HERE = pathlib.Path(__file__).resolve().parent
EPOCHS, BATCH, TEST, CALIBRATION = 120, 48, 360, 200
EPSILON, MOMENTUM = 1e-5, 0.9


def patches(x):
    """[n,h,w,c] -> [n,h,w,9,c]: the 3x3 neighbourhood of each pixel, zeros outside."""
    h, w = x.shape[1:3]
    p = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return np.stack([p[:, i:i + h, j:j + w] for i in range(3) for j in range(3)], axis=3)


def unpatch(g):
    """The transpose of patches."""
    n, h, w, _, c = g.shape
    p = np.zeros((n, h + 2, w + 2, c), g.dtype)
    for k in range(9):
        p[:, k // 3:k // 3 + h, k % 3:k % 3 + w] += g[:, :, :, k]
    return p[:, 1:-1, 1:-1]


class Layer:
    """forward keeps what backward needs; params and grads are lists in the same order."""
    params, grads = (), ()


class Conv(Layer):
    """3x3 or 1x1, padding same, no bias."""

    def __init__(self, rng, size, inputs, outputs):
        self.size = size
        fan = size * size * inputs
        self.params = [rng.normal(0, np.sqrt(2 / fan), (fan, outputs)).astype(np.float32)]

    def forward(self, x, train):
        columns = patches(x) if self.size == 3 else x
        self.columns = columns.reshape(*x.shape[:3], -1)
        return self.columns @ self.params[0]

    def backward(self, g):
        w = self.params[0]
        self.grads = [self.columns.reshape(-1, w.shape[0]).T @ g.reshape(-1, w.shape[1])]
        back = g @ w.T
        return unpatch(back.reshape(*g.shape[:3], 9, -1)) if self.size == 3 else back

    def onnx_weight(self):
        w = self.params[0].reshape(self.size, self.size, -1, self.params[0].shape[1])
        return w.transpose(3, 2, 0, 1)


class Depthwise(Layer):
    def __init__(self, rng, channels):
        self.params = [rng.normal(0, np.sqrt(2 / 9), (9, channels)).astype(np.float32)]

    def forward(self, x, train):
        self.columns = patches(x)
        return np.einsum("nhwkc,kc->nhwc", self.columns, self.params[0])

    def backward(self, g):
        self.grads = [np.einsum("nhwkc,nhwc->kc", self.columns, g)]
        return unpatch(g[:, :, :, None] * self.params[0])

    def onnx_weight(self):
        return self.params[0].T.reshape(-1, 1, 3, 3)


class BatchNorm(Layer):
    def __init__(self, channels):
        self.params = [np.ones(channels, np.float32), np.zeros(channels, np.float32)]
        self.mean, self.var = np.zeros(channels, np.float32), np.ones(channels, np.float32)

    def forward(self, x, train):
        mean, var = self.mean, self.var
        if train:
            mean, var = x.mean((0, 1, 2)), x.var((0, 1, 2))
            self.mean = MOMENTUM * self.mean + (1 - MOMENTUM) * mean
            self.var = MOMENTUM * self.var + (1 - MOMENTUM) * var
        self.inverse = 1 / np.sqrt(var + EPSILON)
        self.normal = (x - mean) * self.inverse
        return self.normal * self.params[0] + self.params[1]

    def backward(self, g):
        axes = (0, 1, 2)
        self.grads = [(g * self.normal).sum(axes), g.sum(axes)]
        n = g.size // g.shape[3]
        return (self.params[0] * self.inverse / n) * (
            n * g - self.grads[1] - self.normal * self.grads[0])


class Relu(Layer):
    def forward(self, x, train):
        self.open = x > 0
        return x * self.open

    def backward(self, g):
        return g * self.open


class Pool(Layer):
    """Average over 2x2."""

    def forward(self, x, train):
        n, h, w, c = x.shape
        return x.reshape(n, h // 2, 2, w // 2, 2, c).mean((2, 4))

    def backward(self, g):
        return g.repeat(2, 1).repeat(2, 2) / 4


class Mean(Layer):
    """Global average."""

    def forward(self, x, train):
        self.shape = x.shape
        return x.mean((1, 2))

    def backward(self, g):
        n, h, w, c = self.shape
        return np.broadcast_to(g[:, None, None] / (h * w), self.shape)


class Linear(Layer):
    def __init__(self, rng, inputs, outputs):
        self.params = [rng.normal(0, np.sqrt(1 / inputs), (inputs, outputs)).astype(np.float32),
                       np.zeros(outputs, np.float32)]

    def forward(self, x, train):
        self.input = x
        return x @ self.params[0] + self.params[1]

    def backward(self, g):
        self.grads = [self.input.T @ g, g.sum(0)]
        return g @ self.params[0].T


class Residual(Layer):
    """x + layers(x)."""

    def __init__(self, *layers):
        self.layers = layers
        self.params = [p for layer in layers for p in layer.params]

    def forward(self, x, train):
        y = x
        for layer in self.layers:
            y = layer.forward(y, train)
        return x + y

    def backward(self, g):
        back = g
        for layer in reversed(self.layers):
            back = layer.backward(back)
        self.grads = [d for layer in self.layers for d in layer.grads]
        return g + back


def build(rng):
    return [Conv(rng, 3, 1, 16), BatchNorm(16), Relu(),
            Depthwise(rng, 16), BatchNorm(16), Relu(),
            Conv(rng, 1, 16, 32), BatchNorm(32), Relu(), Pool(),
            Residual(Depthwise(rng, 32), BatchNorm(32), Relu(), Conv(rng, 1, 32, 32), BatchNorm(32)), Relu(),
            Conv(rng, 3, 32, 32), BatchNorm(32), Relu(), Mean(), Linear(rng, 32, 10)]


def predict(network, pixels, dtype=np.float32):
    x = pixels[..., None].astype(dtype) / dtype(255)
    for layer in network:
        x = layer.forward(x, False)
    return x


def moved(rng, images):
    """Each image shifted by up to one pixel each way."""
    p = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    out = np.empty_like(images)
    for i, (dy, dx) in enumerate(rng.integers(0, 3, (len(images), 2))):
        out[i] = p[i, dy:dy + 8, dx:dx + 8]
    return out


def train(network, pixels, labels, rng):
    """Cross-entropy, Adam, cosine rate."""
    moments, steps = None, EPOCHS * (len(pixels) // BATCH)
    step = 0
    for epoch in range(EPOCHS):
        order, total = rng.permutation(len(pixels)), 0.0
        for start in range(0, len(order) - BATCH + 1, BATCH):
            batch = order[start:start + BATCH]
            x = moved(rng, pixels[batch])[..., None].astype(np.float32) / np.float32(255)
            for layer in network:
                x = layer.forward(x, True)
            p = np.exp(x - x.max(1, keepdims=True))
            p /= p.sum(1, keepdims=True)
            target = np.full_like(p, 0.05 / 10)
            target[np.arange(BATCH), labels[batch]] += 0.95
            total -= (target * np.log(p + 1e-9)).sum()
            g = ((p - target) / BATCH).astype(np.float32)
            for layer in reversed(network):
                g = layer.backward(g)
            params = [p for layer in network for p in layer.params]
            grads = [d for layer in network for d in layer.grads]
            moments = moments or [(np.zeros_like(p), np.zeros_like(p)) for p in params]
            step += 1
            rate = 4e-3 * 0.5 * (1 + np.cos(np.pi * step / steps))
            for p, d, (m, v) in zip(params, grads, moments):
                d = d + (5e-4 * p if p.ndim > 1 else 0)
                m += 0.1 * (d - m)
                v += 0.001 * (d * d - v)
                p -= rate * (m / (1 - 0.9 ** step)) / (np.sqrt(v / (1 - 0.999 ** step)) + 1e-8)
        if epoch % 20 == 19:
            print(f"epoch {epoch + 1}: loss {total / len(pixels):.4f}")


class Writer:
    """Collects nodes and initializers; names are the ONNX node names that diagnostics will show."""

    def __init__(self):
        self.nodes, self.weights, self.count = [], [], {}

    def name(self, kind):
        self.count[kind] = self.count.get(kind, 0) + 1
        return f"{kind.lower()}{self.count[kind]}"

    def constant(self, name, value):
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(value, np.float32), name))
        return name

    def node(self, kind, inputs, **attributes):
        name = self.name(kind)
        self.nodes.append(helper.make_node(kind, inputs, [name + "_out"], name, **attributes))
        return name + "_out"

    def layer(self, layer, x, scale=1.0):
        if isinstance(layer, (Conv, Depthwise)):
            w = layer.onnx_weight() * np.float32(scale)
            size = w.shape[2]
            name = self.constant(f"conv{self.count.get('Conv', 0) + 1}.weight", w)
            return self.node("Conv", [x, name], kernel_shape=[size, size], pads=[size // 2] * 4,
                             group=w.shape[0] if isinstance(layer, Depthwise) else 1)
        if isinstance(layer, BatchNorm):
            base = f"batchnormalization{self.count.get('BatchNormalization', 0) + 1}"
            names = [self.constant(f"{base}.{part}", value) for part, value in
                     zip(("scale", "bias", "mean", "variance"), (*layer.params, layer.mean, layer.var))]
            return self.node("BatchNormalization", [x, *names], epsilon=EPSILON)
        if isinstance(layer, Relu):
            return self.node("Relu", [x])
        if isinstance(layer, Pool):
            return self.node("AveragePool", [x], kernel_shape=[2, 2], strides=[2, 2])
        if isinstance(layer, Mean):
            return self.node("Flatten", [self.node("GlobalAveragePool", [x])])
        if isinstance(layer, Linear):
            return self.node("Gemm", [x, self.constant("gemm1.weight", layer.params[0].T),
                                      self.constant("gemm1.bias", layer.params[1])], transB=1)
        y = x
        for inner in layer.layers:
            y = self.layer(inner, y)
        return self.node("Add", [x, y])


def export(network, path):
    writer, x = Writer(), "image"
    for index, layer in enumerate(network):
        x = writer.layer(layer, x, 1 / 255 if index == 0 else 1.0)
    writer.nodes.append(helper.make_node("Softmax", [x], ["probabilities"], "softmax", axis=1))
    graph = helper.make_graph(
        writer.nodes, "digits",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, 8, 8])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 10])], writer.weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7,
                              producer_name="examples/digits/train.py")
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return sum(int(np.prod(w.dims)) for w in writer.weights)


def write_vectors(network, pixels):
    """Inputs and float64 outputs in the layout of the ONNX backend tests."""
    folder = HERE / "test_data_set_0"
    folder.mkdir(exist_ok=True)
    logits = predict(network, pixels, np.float64)
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    for name, value, file in (("image", pixels[:, None], "input_0.pb"), ("probabilities", p, "output_0.pb")):
        tensor = numpy_helper.from_array(value.astype(np.float32), name)
        (folder / file).write_bytes(tensor.SerializeToString())


def write_samples(pixels, labels):
    """The first test image of each class, as binary PGM."""
    folder = HERE / "samples"
    folder.mkdir(exist_ok=True)
    for digit in range(10):
        image = pixels[np.flatnonzero(labels == digit)[0]]
        (folder / f"{digit}.pgm").write_bytes(b"P5\n8 8\n255\n" + image.tobytes())


def main():
    rng = np.random.default_rng(7)
    data = load_digits()
    pixels = np.round(data.images * 255 / 16).astype(np.uint8)
    labels = data.target.astype(np.uint8)
    split = len(pixels) - TEST
    network = build(rng)
    train(network, pixels[:split], labels[:split], rng)
    parameters = export(network, HERE / "digits.onnx")
    write_vectors(network, pixels[split:split + 1])
    write_samples(pixels[split:], labels[split:])
    every = split // CALIBRATION
    np.save(HERE / "calibration.npy", pixels[:split:every][:CALIBRATION, None])
    np.save(HERE / "test_images.npy", pixels[split:, None])
    np.save(HERE / "test_labels.npy", labels[split:])
    (HERE / "labels.txt").write_text("zero one two three four five six seven eight nine".replace(" ", "\n") + "\n")
    right = (predict(network, pixels[split:]).argmax(1) == labels[split:]).mean()
    print(f"{parameters} parameters, top-1 {100 * right:.2f} % on {TEST} test digits")


if __name__ == "__main__":
    main()
