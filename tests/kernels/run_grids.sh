#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Weights that are no plain integers of one zero point, in convolutions, depthwise convolutions and products: packed
# weights times floats (scales per channel and group, zero points, codebooks), integers with zero points by channel,
# codebooks, sums scaled by group. Executables of all targets give the bits of the interpreter. Short: every width
# once with every form; AZ_LONG: every operation as well.
#
#   TARGETS="armv7a native" tests/kernels/run_grids.sh     some targets
# Takes long: begins with the first.
. tests/e2e/lib.sh

# The network, seeded: x : i16[8192] in, the results of all cases one behind the other out.
network() {
	awk -v long="${AZ_LONG:+1}" '
	function pick(lo, hi) {
		seed = (seed * 69069 + 12345) % 4294967296
		return lo + int(seed / 65536) % (hi - lo + 1)
	}
	function list(name, type, shape, lo, hi, unit,   n, i, part, text, v) {
		n = 1
		split(shape, part, ",")
		for (i in part) n *= part[i]
		for (i = 1; i <= n; i++) {
			v = pick(lo, hi)
			if (type == "bipolar") v = v < 0 ? -1 : 1
			text = text (i > 1 ? ", " : "") (unit ? v * unit : v)
		}
		consts = consts "const @" name " : " type "[" shape "] = [" text "]\n"
	}
	function line(text) { body = body "  " text "\n" }
	function ceil(a, b) { return int((a + b - 1) / b) }
	function one(form, op, width,   id, w, lo, hi, b, x, xe, in_c, out, k, g, shape, groups, axis, sshape, zshape, side, y, attr, n, acc, ops) {
		id = "c" ++count
		seed = count * 7919 + 1
		for (n = 0; n < 4; n++) pick(0, 1)
		w = width == 0 ? "bipolar" : width < 8 ? "i" width + 1 : "u" width - 7
		b = substr(w, 2) + 0
		lo = w == "bipolar" ? -1 : width < 8 ? -2 ^ (b - 1) : 0
		hi = w == "bipolar" ? 1 : lo + 2 ^ b - 1
		groups = 1
		if (op == "product") { in_c = pick(0, 1) ? 32 * pick(1, 3) : pick(5, 90); out = pick(3, 40); n = pick(0, 1) ? 1 : 3 }
		else { in_c = pick(0, 2) ? pick(3, 9) : 16; out = pick(3, 21); side = pick(3, 5); k = pick(1, 3) }
		if (op == "depthwise") { groups = in_c = out = pick(3, 40) }
		g = 4 * pick(1, 6)
		if (form == "wide") xe = "f32"
		else xe = pick(0, 2) == 0 ? "i16" : pick(0, 1) ? "u8" : "i8"
		shape = op == "product" ? n "," in_c : "1," side "," side "," in_c
		n = op == "product" ? n * in_c : side * side * in_c
		line("%" id "s = slice %x, begin = [" pick(0, 8192 - n) "], size = [" n "] : i16[" n "]")
		line("%" id "r = reshape %" id "s, shape = [" shape "] : i16[" shape "]")
		x = id "r"
		if (xe != "i16") { line("%" id "x = cast %" x " : " xe "[" shape "]"); x = id "x" }
		wshape = op == "product" ? in_c "," out : out "," k "," k "," in_c / groups
		list(id "w", w, wshape, lo, hi)
		weights = "@" id "w"
		if (form == "book" || (form != "zeros" && pick(0, 3) == 0)) {
			te = form == "wide" || xe == "i16" ? "i16" : "i8"
			list(id "t", te, w == "bipolar" ? 2 : 2 ^ b, te == "i8" ? -128 : -9000, te == "i8" ? 127 : 9000)
			line("%" id "l = lookup " weights ", @" id "t : " te "[" wshape "]")
			weights = "%" id "l"
			table = 1
		} else table = 0
		grouped = form == "scaled" || (form == "wide" && pick(0, 1))
		if (op == "product") sshape = ceil(in_c, g) "," out
		else sshape = out "," k "," k "," ceil(in_c / groups, g)
		zero = ""
		if (!table && w != "bipolar" && form != "book" && (form == "zeros" || pick(0, 1))) {
			list(id "z", w, grouped ? sshape : out, lo, hi)
			zero = "@" id "z"
		}
		if (form == "wide" || form == "scaled") list(id "g", "f32", grouped ? sshape : out, 1, 1000, 0.0001)
		if (form == "wide") {
			axis = op == "product" ? (grouped ? 0 : 1) : (grouped ? 3 : 0)
			line("%" id "d = dequantize " weights ", @" id "g" (zero ? ", " zero : "") ", axis = " axis (grouped ? ", group = " g : "") " : f32[" wshape "]")
			ops = "%" x ", %" id "d"
		} else {
			ops = "%" x ", " weights
			if (zero || form == "scaled") ops = ops ", _, " (zero ? zero : "_")
			if (form == "scaled") ops = ops ", @" id "g"
		}
		attr = ""
		if (op != "product" && pick(0, 1) && k > 1) { attr = ", pad = [1, 1, 1, 1]"; side += 2 }
		if (op != "product" && groups > 1) attr = attr ", groups = " groups
		if (form == "scaled") attr = attr ", group = " g
		if (form != "wide" && pick(0, 1)) attr = attr ", zero = [" pick(1, 100) ", 0]"
		acc = form == "wide" || form == "scaled" ? "f32" : "i32"
		if (op == "product") y = shape
		sub(/,[0-9]+$/, "", y)
		y = op == "product" ? y "," out : "1," side - k + 1 "," side - k + 1 "," out
		split(y, part, ",")
		n = op == "product" ? part[1] * part[2] : part[2] * part[3] * out
		line("%" id "y = " (op == "product" ? "matmul " : "conv ") ops attr " : " acc "[" y "]")
		last = id "y"
		if (acc == "f32") { line("%" id "q = quantize %" last ", @step : i32[" y "]"); last = id "q" }
		line("%" id "o = reshape %" last ", shape = [" n "] : i32[" n "]")
		outs = outs (outs ? ", " : "") "%" id "o"
		total += n
	}
	BEGIN {
		split("wide zeros book scaled", forms, " ")
		split("conv depthwise product", ops_of, " ")
		for (f = 1; f <= 4; f++)
			for (width = 0; width < 16; width++)
				for (o = 1; o <= 3; o++)
					if ((forms[f] != "zeros" || width) && (long || (width + f) % 3 + 1 == o))
						one(forms[f], ops_of[o], width)
		print "adze 1 module \"grids\" stage folded done [\"infer-shapes\", \"fold-constants\", \"canonicalize\", \"decompose\", \"fold-batchnorm\", \"fuse-activation\", \"sink-transposes\", \"fold-quantizers\"]\n"
		print "const @step : f32[] = [0.001]\n" consts
		print "func @main(%x: i16[8192]) -> (\"y\": i32[" total "]) {\n" body "  %y = concat " outs ", axis = 0 : i32[" total "]\n  return %y\n}"
	}' >"$1"
}

network "$work/grids.adz"
try_run "the input" "$BUILD/kernels_net" make "$work/input" sample:product || finish
try_run "interpreting" "$ADZE" run "$work/grids.adz" "$work/input/x.npy" --interpret -o "$work/wanted.npy" || finish
done_options=
for name in ${TARGETS:-$target_names}; do
	pick "$name" || continue
	# Targets that differ in how they are run only share the executable.
	if [ "$target_options" != "$done_options" ]; then
		# shellcheck disable=SC2086
		try_run "grids for $name" "$ADZE" compile "$work/grids.adz" $target_options -o "$work/net" || continue
		done_options=$target_options
	fi
	# shellcheck disable=SC2086
	try_run "grids on $name" timeout 1200 $runner "$work/net" "$work/input/x.npy" -o "$work/got.npy" || continue
	same "grids on $name" "$work/got.npy" "$work/wanted.npy"
	echo "$name: $(grep -c '= reshape .*i32' "$work/grids.adz") cases compared"
done
finish
