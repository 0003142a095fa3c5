#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The imported QDQ networks against ONNX Runtime (docs/numerics.md 11).

  build/bench-venv/bin/python bench/qdq.py [--write] [--nodes] [NAME...]

Per node: everything that stands before one QuantizeLinear, back to stored integers, is cut out as a network
of its own and gets the integers that ONNX Runtime has there (optimizations disabled) for real samples. Adze
may differ by one step at most, in at most 0.1 % of the elements of a network. `--nodes` prints each of them.

End to end: top-1 within 0.2 point, and the differences to ONNX Runtime no larger than those between its own
two ways, with all optimizations and with none.
"""
import argparse
import io
import lzma
import sys
import tarfile

import numpy
import onnx
import onnxruntime
from PIL import Image

import models
import native

NODE_SAMPLES = 16
DISABLED, OPTIMIZED = (onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL,
                       onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL)


# --- data: lists of float inputs, and labels where there are any

def cifar():
    with lzma.open(models.DATA / "cifar10" / "test_images.npy.xz") as file:
        images = numpy.load(io.BytesIO(file.read()))
    return images.astype(numpy.float32)[:, None], numpy.load(models.DATA / "cifar10" / "test_labels.npy")


def keywords():
    features = numpy.load(models.DATA / "kws01" / "features.npy")
    return (((features.astype(numpy.float32) - 83) * numpy.float32(0.5847029))[:, None, None],
            numpy.load(models.DATA / "kws01" / "labels.npy"))


def sounds():
    frames = numpy.load(models.DATA / "ad01" / "normal_id_01_00000000_logmel.npy")
    return numpy.stack([frames[i:i + 5].reshape(1, 640) for i in range(len(frames) - 4)]), None


class Pictures:
    """Decoded when asked for."""

    def __init__(self, size, divisor, shift):
        self.size, self.divisor, self.shift = size, numpy.float32(divisor), numpy.float32(shift)
        self.archive = tarfile.open(models.DATA / "imagenet" / "images.tar")
        rows = [line.split("\t") for line in
                (models.DATA / "imagenet" / "labels.tsv").read_text().splitlines()]
        self.rows = [row for row in rows if row[1].isdigit()]  # the first line names the columns

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        if index >= len(self.rows):
            raise IndexError
        name = self.rows[index][0]
        names = self.archive.getnames()
        member = next(n for n in (name, f"images/{name}") if n in names)
        image = Image.open(self.archive.extractfile(member)).convert("RGB")
        if image.size != (self.size, self.size):
            image = image.resize((self.size, self.size), Image.Resampling.BILINEAR)
        pixels = numpy.asarray(image, numpy.float32) / self.divisor - self.shift
        return pixels.transpose(2, 0, 1)[None]

    def labels(self):
        return numpy.array([int(row[1]) + 1 for row in self.rows])


def signed_pictures(size):
    pictures = Pictures(size, 127.5, 1)
    return pictures, pictures.labels()


def plain_pictures(size):
    return Pictures(size, 255, 0), None


# name, data, samples end to end (the networks without optimizations are slow)
NETWORKS = [
    ("resnet8_cifar10_qdq", cifar, 10000),
    ("dscnn_kws_qdq", keywords, 1000),
    ("autoencoder_ad_qdq", sounds, 196),
    ("mobilenetv1_025_128_qdq", lambda: signed_pictures(128), 700),
    ("mobilenetv1_100_224_qdq", lambda: signed_pictures(224), 700),
    ("mobilenetv1_vww_qdq", lambda: plain_pictures(96), 200),
    ("mcunet_vww_qdq", lambda: plain_pictures(80), 200),
]


# --- ONNX Runtime

def session(model, level):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Its integer kernels for int8 activations too; else these networks compute in float both ways on x86-64.
    options.add_session_config_entry("session.qdqisint8allowed", "1")
    data = model.SerializeToString() if isinstance(model, onnx.ModelProto) else str(model)
    made = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    names = [i.name for i in made.get_inputs()]
    return lambda *arrays: made.run(None, dict(zip(names, arrays, strict=True)))


def typed(name, array):
    return onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)


class Islands:
    """The network cut at its quantized values."""

    def __init__(self, model, samples):
        self.model, graph = model, model.graph
        self.makers = {name: node for node in graph.node for name in node.output}
        self.constants = {tensor.name: tensor for tensor in graph.initializer}
        self.ends = [node for node in graph.node if node.op_type == "QuantizeLinear"]
        probe = onnx.ModelProto()
        probe.CopyFrom(model)
        del probe.graph.output[:]
        probe.graph.output.extend(onnx.helper.make_empty_tensor_value_info(n.output[0]) for n in self.ends)
        run = session(probe, DISABLED)
        self.source = graph.input[0].name
        self.values = []
        for sample in samples:
            names = [n.output[0] for n in self.ends]
            self.values.append({self.source: sample, **dict(zip(names, run(sample)))})

    def cut(self, end):
        """The model that ends here, and the names of its inputs."""
        nodes, inputs, constants, todo = [], [], [], [end]
        while todo:
            node = todo.pop()
            if node in nodes:
                continue
            nodes.append(node)
            for name in node.input:
                if name in self.constants:
                    if self.constants[name] not in constants:
                        constants.append(self.constants[name])
                elif name in self.values[0] and self.makers.get(name) is not end:
                    inputs += [name] if name not in inputs else []
                elif name:
                    todo.append(self.makers[name])
        order = [n for n in self.model.graph.node if n in nodes]
        first = self.values[0]
        graph = onnx.helper.make_graph(order, "island", [typed(n, first[n]) for n in inputs],
                                       [typed(end.output[0], first[end.output[0]])], constants)
        return onnx.helper.make_model(graph, opset_imports=self.model.opset_import,
                                      ir_version=self.model.ir_version), inputs, order


def compare_nodes(name, model, data, options, verbose):
    """Counts of elements: all, different by one step, by more; against both ways of ONNX Runtime."""
    islands = Islands(model, [data[i * len(data) // NODE_SAMPLES] for i in range(NODE_SAMPLES)])
    total = {level: [0, 0, 0, 0.0] for level in ("disabled", "optimized", "self")}
    path = models.CACHE / "island.onnx"
    for end in islands.ends:
        island, inputs, order = islands.cut(end)
        if not inputs:
            continue
        onnx.save(island, path)
        network, optimized = native.Network(path, *options), session(island, OPTIMIZED)
        found = {level: [0, 0, 0, 0.0] for level in total}
        for values in islands.values:
            given = [values[n] for n in inputs]
            ours = network.run(given)[0].astype(int)
            theirs, fused = values[end.output[0]].astype(int), optimized(*given)[0].astype(int)
            for level, a, b in (("disabled", ours, theirs), ("optimized", ours, fused), ("self", fused, theirs)):
                difference = abs(a - b)
                found[level][0] += a.size
                found[level][1] += int((difference == 1).sum())
                found[level][2] += int((difference > 1).sum())
        for level, counts in found.items():
            counts[3] = (counts[1] + counts[2]) / counts[0]
            total[level] = [*(a + b for a, b in zip(total[level][:3], counts[:3])), max(total[level][3], counts[3])]
        if verbose:
            kinds = "+".join(n.op_type for n in order if n.op_type not in ("QuantizeLinear", "DequantizeLinear"))
            print(f"  {name} {end.output[0]} {kinds}: " +
                  ", ".join(f"{k} {v[1]}+{v[2]} of {v[0]} ({100 * v[3]:.4f} %)" for k, v in found.items()), flush=True)
    path.unlink(missing_ok=True)
    return total


def compare_ends(model, path, data, labels, count, options):
    ways = {"adze": native.Network(path, *options).run, "disabled": lambda x: session_off(*x),
            "optimized": lambda x: session_on(*x)}
    session_off, session_on = session(model, DISABLED), session(model, OPTIMIZED)
    pairs = [("adze", "disabled"), ("adze", "optimized"), ("optimized", "disabled")]
    sums, largest, right = dict.fromkeys(pairs, 0.0), dict.fromkeys(pairs, 0.0), dict.fromkeys(ways, 0)
    count = min(count, len(data))
    for i in range(count):
        got = {way: run([data[i]])[0].astype(float) for way, run in ways.items()}
        for pair in pairs:
            difference = abs(got[pair[0]] - got[pair[1]])
            sums[pair] += difference.mean() / count
            largest[pair] = max(largest[pair], difference.max())
        if labels is not None:
            for way in ways:
                right[way] += int(got[way].argmax() == labels[i])
    top1 = {way: 100 * n / count for way, n in right.items()} if labels is not None else None
    return count, top1, sums, largest


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--nodes", action="store_true")
    parser.add_argument("--match", action="store_true", help="compile with --match=ort")
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    models.CACHE.mkdir(parents=True, exist_ok=True)
    nodes = ["| network | elements | off by one step from ORT without optimizations | from optimized ORT "
             "| ORT from itself | more than one step | within limits |", "|---|---|---|---|---|---|---|"]
    ends = ["| network | samples | top-1: Adze, ORT, ORT optimized | mean and largest difference: Adze to ORT "
            "| Adze to optimized ORT | ORT to optimized ORT | within limits |", "|---|---|---|---|---|---|---|"]
    all_good, options = True, ["--match=ort"] if args.match else []
    for name, load, count in NETWORKS:
        if args.names and not any(n in name for n in args.names):
            continue
        path = models.plain(models.find(name))
        model, (data, labels) = onnx.load(path), load()
        total = compare_nodes(name, model, data, options, args.nodes)
        good = all(total[k][2] == 0 and total[k][1] <= total[k][0] / 1000 for k in ("disabled", "optimized"))
        share = {k: f"{100 * v[1] / v[0]:.4f} %" for k, v in total.items()}
        nodes.append(f"| {name} | {total['disabled'][0]} | {share['disabled']} | {share['optimized']} | "
                     f"{share['self']} | {total['disabled'][2] + total['optimized'][2]} | {'yes' if good else 'NO'} |")
        print(nodes[-1], flush=True)
        all_good &= good
        samples, top1, mean, most = compare_ends(model, path, data, labels, count, options)
        off, on, own = mean
        good = min(mean[off], mean[on]) <= mean[own] and min(most[off], most[on]) <= most[own] and (
            not top1 or min(abs(top1["adze"] - top1[w]) for w in ("disabled", "optimized")) <= 0.2)
        shown = ", ".join(f"{top1[w]:.2f} %" for w in ("adze", "disabled", "optimized")) if top1 else ""
        ends.append(f"| {name} | {samples} | {shown} | " +
                    " | ".join(f"{mean[p]:.2e}, {most[p]:.2e}" for p in (off, on, own)) +
                    f" | {'yes' if good else 'NO'} |")
        print(ends[-1], flush=True)
        all_good &= good
    if args.write:
        models.write_section("qdq", [*nodes, "", *ends])
    sys.exit(not all_good)


if __name__ == "__main__":
    main()
