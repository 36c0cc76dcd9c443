/* SPDX-License-Identifier: MIT */
#include "lib/id.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "lib/clock.h"

/* RFC 9562 6.2 method 1: a counter in rand_a keeps the ids of one millisecond in order. A
 * clock that steps back is ignored until it has caught up. */
static void next_tick(int64_t *ret_ms, unsigned *ret_counter)
{
	static int64_t last_ms;
	static unsigned counter;
	int64_t now = clock_unix_ms();
	if (now > last_ms) {
		last_ms = now;
		counter = 0;
	} else if (++counter > 0xfff) {
		last_ms++;
		counter = 0;
	}
	*ret_ms = last_ms;
	*ret_counter = counter;
}

struct id id_mint(void)
{
	uint64_t random;
	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		abort();
	int64_t ms;
	unsigned counter;
	next_tick(&ms, &counter);
	struct id id;
	snprintf(id.text, sizeof(id.text), "%08x-%04x-7%03x-%04x-%012llx",
		(unsigned)((uint64_t)ms >> 16 & 0xffffffff), (unsigned)(ms & 0xffff),
		counter & 0xfff, (unsigned)(0x8000 | (random >> 48 & 0x3fff)),
		(unsigned long long)(random & 0xffffffffffffULL));
	return id;
}

static int hex_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if (digit >= 'a' && digit <= 'f')
		return digit - 'a' + 10;
	return -1;
}

bool id_is_valid(struct slice text)
{
	if (text.size != ID_LENGTH || text.data[14] != '7')
		return false;
	for (size_t i = 0; i < text.size; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		if (dash ? text.data[i] != '-' : hex_value(text.data[i]) < 0)
			return false;
	}
	return true;
}

int64_t id_time_ms(struct slice text)
{
	int64_t ms = 0;
	for (size_t i = 0; i < 13; i++)
		if (text.data[i] != '-')
			ms = ms << 4 | hex_value(text.data[i]);
	return ms;
}
