/* SPDX-License-Identifier: Apache-2.0
 *
 * Kernels: one row of backend/kernels.def each. select-kernels outlines a fused group of
 * operations into a function and asks the kernels in table order which will take it; the first
 * that does wins, and the generic ones at the end take anything. A group is: an anchor operation
 * (convolution, matrix product, pool, ...), then a chain of element-wise operations and
 * (re)quantizers whose other operands are parameters of the function, then at most one trailing
 * `pad`. */
#ifndef AZ_BACKEND_KERNEL_H
#define AZ_BACKEND_KERNEL_H

#include "backend/emit.h"

#define AZ_TILE_MAX 12

typedef struct az_tile {
	uint32_t count;
	int64_t v[AZ_TILE_MAX]; /* meaning is the kernel's own; printed as tile = [...] */
} az_tile;

typedef struct az_kernel {
	const char *name;
	/* Will it compute this function on this target? Fills the preferred tile. Looks at
	 * shapes, element types, attributes; never fails. `args` are the actual operands of the
	 * call (constants tell). */
	bool (*match)(const az_target *target, const az_func *func, az_value *const *args,
		az_tile *tile);
	/* The next smaller tile after spills were seen; false when there is none. May be NULL. */
	bool (*shrink)(const az_target *target, az_tile *tile);
	/* Emits the body of e->func; params[i] are its pointers: operands, then results. Reports. */
	bool (*emit)(az_emitter *e, const az_func *func, const az_tile *tile,
		const LLVMValueRef *params);
	/* The bytes of constant operand `index` as this kernel reads them (packed weights,
	 * corrected bias), in the arena; NULL hook or *size 0: as they are. Total size of weights
	 * must stay within numel * bits / 8 plus padding of the last block. */
	bool (*pack)(const az_target *target, const az_func *func, az_value *const *args,
		const az_tile *tile, uint32_t index, az_arena *arena, const void **data,
		size_t *size);
	/* The kernel reads not a byte outside its operands (then a graph's input, which has no
	 * slack behind it, need not be copied into the arena for it). */
	bool exact;
	/* Of a function that is element-wise throughout, the kernel never reads an element of an
	 * operand of the result's shape again once it has written that element: the result may
	 * take the operand's place. */
	bool streams;
	/* The last resort for what faster kernels refuse: fusing less is better than using it. */
	bool slow;
} az_kernel;

extern const az_kernel az_kernels[];
extern const uint32_t az_kernel_count;
const az_kernel *az_kernel_find(const char *name);

static inline int64_t az_ceil_div(int64_t a, int64_t b) /* 0 <= a, 0 < b */
{
	return (a + b - 1) / b;
}

#endif
