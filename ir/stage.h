/* SPDX-License-Identifier: Apache-2.0
 *
 * A module states its form, not its arithmetic: every stage may hold float, fake-quantized and
 * integer operations.
 *
 *   imported    as read: operators of the source expressed in ours, transposes around convolutions
 *   canonical   one way to say each thing; channels last throughout; constants folded
 *   folded      quantizers absorbed into integer operations where a network is quantized
 *   selected    main is a list of calls of kernel functions and of views; zero points folded
 *   placed      every value of main has an address in the arena, a parameter or a result */
#ifndef AZ_IR_STAGE_H
#define AZ_IR_STAGE_H

typedef enum az_stage {
	AZ_STAGE_IMPORTED,
	AZ_STAGE_CANONICAL,
	AZ_STAGE_FOLDED,
	AZ_STAGE_SELECTED,
	AZ_STAGE_PLACED,
	AZ_STAGE_COUNT_,
} az_stage;

extern const char *const az_stage_words[AZ_STAGE_COUNT_];

#endif
