/* SPDX-License-Identifier: Apache-2.0
 *
 * The only place where the compiler's extensions are named. C11 everywhere else. */
#ifndef AZ_BASE_COMPILER_H
#define AZ_BASE_COMPILER_H

#if defined(__GNUC__)
#define AZ_PRINTF(text, first) __attribute__((format(printf, text, first)))
#define AZ_NODISCARD           __attribute__((warn_unused_result))
#else
#define AZ_PRINTF(text, first)
#define AZ_NODISCARD
#endif

#define AZ_COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define AZ_MIN(a, b)    ((a) < (b) ? (a) : (b))
#define AZ_MAX(a, b)    ((a) > (b) ? (a) : (b))

#endif
