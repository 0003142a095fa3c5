/* SPDX-License-Identifier: Apache-2.0
 *
 * Members of the JSON objects in reports. */
#ifndef AZ_DRIVER_JSON_H
#define AZ_DRIVER_JSON_H

#include <json-c/json.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>

static inline void az_json_add_text(json_object *o, const char *key, const char *v) /* NULL: null */
{
	json_object_object_add(o, key, v ? json_object_new_string(v) : NULL);
}

static inline void az_json_add_count(json_object *o, const char *key, uint64_t v)
{
	json_object_object_add(o, key, json_object_new_int64((int64_t)v));
}

/* JSON has no infinity and no NaN: they are null. */
static inline void az_json_add_real(json_object *o, const char *key, double v)
{
	json_object_object_add(o, key, isfinite(v) ? json_object_new_double(v) : NULL);
}

static inline void az_json_add_flag(json_object *o, const char *key, bool v)
{
	json_object_object_add(o, key, json_object_new_boolean(v));
}

#endif
