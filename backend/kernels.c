/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernel table, made from backend/kernels.def. */
#include "backend/kernels.h"

#include <string.h>

#include "backend/backend.h"

#define HOOK_yes(name) name
#define HOOK_no(name)  NULL

enum { NONE = 0, EXACT = 1, STREAMS = 2, SLOW = 4 };

const az_kernel az_kernels[] = {
#define KERNEL(name, shrink_hook, pack_hook, traits)                                               \
	{                                                                                          \
		#name,                                                                             \
		az_##name##_match,                                                                 \
		HOOK_##shrink_hook(az_##name##_shrink),                                            \
		az_##name##_emit,                                                                  \
		HOOK_##pack_hook(az_##name##_pack),                                                \
		((traits) & EXACT) != 0,                                                           \
		((traits) & STREAMS) != 0,                                                         \
		((traits) & SLOW) != 0,                                                            \
	},
#include "backend/kernels.def"
};

const uint32_t az_kernel_count = AZ_COUNT(az_kernels);

const az_kernel *az_kernel_find(const char *name)
{
	for (uint32_t i = 0; name && i < az_kernel_count; i++)
		if (strcmp(az_kernels[i].name, name) == 0)
			return &az_kernels[i];
	return NULL;
}

const char *az_backend_kernel_name(uint32_t index)
{
	return index < az_kernel_count ? az_kernels[index].name : NULL;
}
