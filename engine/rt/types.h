/* SPDX-License-Identifier: MIT */
/*
 * Basic types of the freestanding core. Included by everything below engine/.
 */
#ifndef GNOMON_RT_TYPES_H
#define GNOMON_RT_TYPES_H

#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;

typedef u64 gaddr_t; /* a guest address; equals the host address of the same byte */
typedef u8 *hpc_t;   /* an address inside the code cache; never shown to the guest */

#define PAGE_SIZE 4096ul
#define PAGE_MASK (~(PAGE_SIZE - 1))
#define PAGE_DOWN(a) ((a) & PAGE_MASK)
#define PAGE_UP(a) (((a) + PAGE_SIZE - 1) & PAGE_MASK)

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define __must_check __attribute__((warn_unused_result))
#define __noreturn __attribute__((noreturn))
#define __printf(f, a) __attribute__((format(printf, f, a)))

/* written around every fork: together, as each page of it is copied for the child and looked at anew by the parent */
#define __forked __attribute__((section(".data.forked")))

#define min(a, b) ((a) < (b) ? (a) : (b))
#define max(a, b) ((a) > (b) ? (a) : (b))

#endif
