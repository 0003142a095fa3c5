/* SPDX-License-Identifier: Apache-2.0
 *
 * Limits on sizes that come from files. A file that passes one is refused with a message, so that
 * no arithmetic further in can overflow and no table grows without bound. */
#ifndef AZ_BASE_LIMITS_H
#define AZ_BASE_LIMITS_H

#define AZ_RANK_MAX   8                  /* dimensions of a tensor */
#define AZ_DIM_MAX    (INT64_C(1) << 31) /* length of one dimension */
#define AZ_NUMEL_MAX  (INT64_C(1) << 34) /* elements of one tensor */
#define AZ_ARGS_MAX   1024               /* operands, results or list entries of one operation */
#define AZ_INLINE_MAX (1 << 20)          /* entries of a list written out in text */
#define AZ_OPS_MAX    (1 << 20)          /* operations of one function */
#define AZ_NAME_MAX   4096               /* bytes of one name */
#define AZ_DEPTH_MAX  64                 /* nesting of messages, calls and local functions */
#define AZ_ERRORS_MAX 20                 /* errors reported before reading stops */

#endif
