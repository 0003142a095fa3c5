/* SPDX-License-Identifier: Apache-2.0
 *
 * adze targets, ops, passes: what this build can do, printed from its tables. */
#include <stdio.h>

#include "backend/rates.h"
#include "driver/driver.h"
#include "frontend/onnx.h"
#include "ir/print.h"

static json_object *text(const char *s)
{
	return json_object_new_string(s ? s : "");
}

/* The rates of this machine's kernels: to -o FILE, else to standard output. */
static bool measure_rates(az_job *job)
{
	az_text text = {.arena = &job->arena};
	if (!az_job_target(job))
		return false;
	az_text_add(&text, "# adze %s, CPU %s%s%s\n", AZ_VERSION, job->target->cpu,
		*job->target->features ? " " : "", job->target->features);
	if (!az_rates_measure(job->ctx, job->target, &text))
		return false;
	if (job->options.output)
		return az_file_write(job->ctx, job->options.output, text.v, text.count, false);
	fputs(text.v, stdout);
	return true;
}

int az_verb_targets(az_job *job)
{
	if (job->options.measure)
		return measure_rates(job) ? AZ_EXIT_DONE : AZ_EXIT_REFUSED;
	json_object *json = job->options.json ? json_object_new_array() : NULL;
	az_target_row row;
	for (uint32_t i = 0; az_target_row_get(i, &row); i++) {
		if (json) {
			json_object *o = json_object_new_object();
			json_object_object_add(o, "name", text(row.name));
			json_object_object_add(o, "triple", text(row.triple));
			json_object_object_add(o, "cpu", text(row.cpu));
			json_object_object_add(o, "attr", text(row.attrs));
			json_object_object_add(o, "doc", text(row.doc));
			json_object_array_add(json, o);
		} else {
			printf("%-20s --target=%s --cpu=%s%s%s\n%-20s %s\n", row.name, row.triple,
				row.cpu, row.attrs && row.attrs[0] ? " --attr=" : "",
				row.attrs ? row.attrs : "", "", row.doc);
		}
	}
	if (json)
		az_print_json(json);
	return AZ_EXIT_DONE;
}

/* What the attribute counts as when it is left out. */
static void print_default(az_arena *arena, az_opcode code, const az_attr_desc *attr)
{
	az_attrs attrs;
	az_text out = {.arena = arena};
	if (attr->kind == AZ_ATTR_word || attr->kind == AZ_ATTR_func)
		return;
	if (attr->init.fill) {
		printf(", missing entries are %d", (int)attr->init.i);
		return;
	}
	az_attrs_init(code, &attrs);
	az_attr_print(&out, attr, &attrs);
	printf(" = %s", out.v);
}

static void print_attribute(az_arena *arena, az_opcode code, const az_attr_desc *attr)
{
	uint32_t count;
	const char *const *words = az_enum_words(attr->kind, &count);
	printf("    %s: ", attr->name);
	for (uint32_t i = 0; i < count; i++)
		printf("%s%s", i ? " | " : "", words[i]);
	if (!words)
		printf("%s", az_attr_kind_name(attr->kind));
	print_default(arena, code, attr);
	putchar('\n');
}

static void print_op(az_arena *arena, az_opcode code)
{
	const az_op_desc *op = &az_op_table[code];
	printf("%s", op->name);
	if (op->args_min == op->args_max)
		printf("  %u operand%s", op->args_min, op->args_min == 1 ? "" : "s");
	else
		printf("  %u to %u operands", op->args_min, op->args_max);
	if (op->results_max > 1)
		printf(", %u to %u results", op->results_min, op->results_max);
	printf("\n    %s\n", op->doc);
	for (uint32_t i = 0; i < op->attr_count; i++)
		print_attribute(arena, code, &op->attrs[i]);
}

static json_object *op_json(const az_op_desc *op)
{
	json_object *o = json_object_new_object(), *attrs = json_object_new_array();
	json_object_object_add(o, "name", text(op->name));
	json_object_object_add(o, "operands_min", json_object_new_int(op->args_min));
	json_object_object_add(o, "operands_max", json_object_new_int(op->args_max));
	json_object_object_add(o, "doc", text(op->doc));
	for (uint32_t i = 0; i < op->attr_count; i++) {
		json_object *a = json_object_new_object();
		json_object_object_add(a, "name", text(op->attrs[i].name));
		json_object_object_add(a, "kind", text(az_attr_kind_name(op->attrs[i].kind)));
		json_object_array_add(attrs, a);
	}
	json_object_object_add(o, "attributes", attrs);
	return o;
}

static json_object *import_json(const az_onnx_op_info *info)
{
	json_object *o = json_object_new_object();
	json_object_object_add(o, "domain", text(info->domain));
	json_object_object_add(o, "name", text(info->name));
	json_object_object_add(o, "since", json_object_new_int(info->since));
	json_object_object_add(o, "until", json_object_new_int(info->until));
	return o;
}

static void print_import(const az_onnx_op_info *info)
{
	printf("  %s%s%s", info->domain, info->domain[0] ? "." : "", info->name);
	if (info->until)
		printf(" (opset %d to %d)\n", info->since, info->until);
	else
		printf(" (opset %d on)\n", info->since);
}

int az_verb_ops(az_job *job)
{
	json_object *ops = NULL, *onnx = NULL;
	if (job->options.json) {
		ops = json_object_new_array();
		onnx = json_object_new_array();
	}
	for (uint32_t i = 0; i < AZ_OP_COUNT_; i++)
		if (ops)
			json_object_array_add(ops, op_json(&az_op_table[i]));
		else
			print_op(&job->arena, (az_opcode)i);
	if (!onnx)
		printf("\nONNX operators imported\n");
	for (const az_onnx_op_info *info = az_onnx_op_infos; info->name; info++)
		if (onnx)
			json_object_array_add(onnx, import_json(info));
		else
			print_import(info);
	if (ops) {
		json_object *o = json_object_new_object();
		json_object_object_add(o, "ops", ops);
		json_object_object_add(o, "onnx", onnx);
		az_print_json(o);
	}
	return AZ_EXIT_DONE;
}

int az_verb_passes(az_job *job)
{
	json_object *json = job->options.json ? json_object_new_array() : NULL;
	for (uint32_t i = 0; i < az_pass_count; i++) {
		const az_pass_desc *pass = &az_pass_table[i];
		json_object *options = json ? json_object_new_array() : NULL;
		if (!json)
			printf("%s\n    %s\n", pass->name, pass->doc);
		for (const az_option_desc *o = pass->options; o && o->name; o++) {
			if (json)
				json_object_array_add(options, text(o->name));
			else
				printf("    {%s=%s}  %s\n", o->name, o->init, o->doc);
		}
		if (json) {
			json_object *o = json_object_new_object();
			json_object_object_add(o, "name", text(pass->name));
			json_object_object_add(o, "doc", text(pass->doc));
			json_object_object_add(o, "options", options);
			json_object_array_add(json, o);
		}
	}
	if (json)
		az_print_json(json);
	return AZ_EXIT_DONE;
}
