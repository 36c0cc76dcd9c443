/* SPDX-License-Identifier: MIT
 *
 * The two clocks. Unix time names moments that other processes and people see; monotonic
 * time measures intervals inside this process. */
#ifndef LIB_CLOCK_H
#define LIB_CLOCK_H

#include <stdint.h>

int64_t clock_unix_us(void);
int64_t clock_unix_ms(void);
int64_t clock_monotonic_us(void);
int64_t clock_monotonic_ms(void);

#endif
