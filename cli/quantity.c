/* SPDX-License-Identifier: MIT */
#include "cli/quantity.h"

#include <time.h>

#define SECOND_US INT64_C(1000000)

/* Takes digits off the front; false if there are none, or too many. */
static bool take_number(struct slice *text, uint64_t *ret_number)
{
	uint64_t number = 0;
	size_t size = 0;
	for (; size < text->size && text->data[size] >= '0' && text->data[size] <= '9';
		size++) {
		uint64_t digit = (uint64_t)(text->data[size] - '0');
		if (number > (INT64_MAX - digit) / 10)
			return false;
		number = number * 10 + digit;
	}
	*text = slice_skip(*text, size);
	*ret_number = number;
	return size > 0;
}

static const struct unit {
	const char *name;
	uint64_t ms;
} units[] = {
	{ "w", UINT64_C(7) * 24 * 3600 * 1000 },
	{ "d", 24 * 3600 * 1000 },
	{ "h", 3600 * 1000 },
	{ "ms", 1 }, /* before "m", which begins it */
	{ "m", 60 * 1000 },
	{ "s", 1000 },
};

#define UNITS (sizeof(units) / sizeof(*units))

static const struct unit *take_unit(struct slice *text)
{
	for (size_t i = 0; i < UNITS; i++) {
		struct slice name = slice_of(units[i].name);
		if (slice_equal(slice_head(*text, name.size), name)) {
			*text = slice_skip(*text, name.size);
			return &units[i];
		}
	}
	return NULL;
}

bool duration_parse(struct slice text, int64_t *ret_ms)
{
	uint64_t sum = 0, last = UINT64_MAX;
	if (!text.size)
		return false;
	while (text.size) {
		uint64_t number;
		if (!take_number(&text, &number))
			return false;
		const struct unit *unit = take_unit(&text);
		if (!unit || unit->ms >= last || number > (INT64_MAX - sum) / unit->ms)
			return false;
		sum += number * unit->ms;
		last = unit->ms;
	}
	*ret_ms = (int64_t)sum;
	return true;
}

const char *duration_print(struct arena *arena, int64_t ms)
{
	static const char *const order[] = { "d", "h", "m", "s" };
	for (size_t i = 0; ms && i < sizeof(order) / sizeof(*order); i++) {
		struct slice name = slice_of(order[i]);
		int64_t unit = (int64_t)take_unit(&name)->ms;
		if (ms % unit == 0)
			return arena_printf(
				arena, "%lld%s", (long long)(ms / unit), order[i]);
	}
	return arena_printf(arena, "%lldms", (long long)ms);
}

static unsigned suffix_shift(struct slice suffix)
{
	static const char letters[] = " kMG";
	for (unsigned i = 1; suffix.size == 1 && letters[i]; i++)
		if (suffix.data[0] == letters[i])
			return 10 * i;
	return 0;
}

bool bytes_parse(struct slice text, uint64_t *ret_bytes)
{
	uint64_t number;
	if (!take_number(&text, &number))
		return false;
	unsigned shift = suffix_shift(text);
	if ((text.size && !shift) || number > (uint64_t)INT64_MAX >> shift)
		return false;
	*ret_bytes = number << shift;
	return true;
}

const char *bytes_print(struct arena *arena, uint64_t bytes)
{
	static const char suffixes[] = { 0, 'k', 'M', 'G' };
	unsigned power = 0;
	while (power < 3 && bytes && bytes % 1024 == 0) {
		bytes /= 1024;
		power++;
	}
	const char suffix[2] = { suffixes[power] };
	return arena_printf(arena, "%llu%s", (unsigned long long)bytes, suffix);
}

/* "2026-11-22": exactly so many digits, then `after`. */
static bool take_part(struct slice *text, size_t digits, char after, int *ret_part)
{
	if (text->size < digits)
		return false;
	struct slice part = slice_head(*text, digits);
	uint64_t number;
	if (!take_number(&part, &number) || part.size)
		return false;
	*text = slice_skip(*text, digits);
	*ret_part = (int)number;
	if (!after)
		return true;
	bool is_there = text->size && text->data[0] == after;
	*text = slice_skip(*text, 1);
	return is_there;
}

static bool take_date(struct slice *text, struct tm *ret_day, int64_t *ret_us)
{
	struct tm day = { 0 };
	if (!take_part(text, 4, '-', &day.tm_year) ||
		!take_part(text, 2, '-', &day.tm_mon) ||
		!take_part(text, 2, 0, &day.tm_mday))
		return false;
	day.tm_year -= 1900;
	day.tm_mon -= 1;
	/* timegm() makes 2 March out of 30 February. */
	struct tm same = day;
	*ret_us = timegm(&same) * SECOND_US;
	*ret_day = day;
	return day.tm_mday > 0 && same.tm_mday == day.tm_mday &&
	       same.tm_mon == day.tm_mon && day.tm_year >= 70;
}

static void take_fraction(struct slice *text, int64_t *us)
{
	if (!text->size || text->data[0] != '.')
		return;
	*text = slice_skip(*text, 1);
	for (int64_t weight = SECOND_US / 10;
		text->size && text->data[0] >= '0' && text->data[0] <= '9';
		weight /= 10) {
		*us += (text->data[0] - '0') * weight;
		*text = slice_skip(*text, 1);
	}
}

/* "Z" or "+01:00". */
static bool take_zone(struct slice *text, int64_t *us)
{
	char sign = text->size ? text->data[0] : 0;
	*text = slice_skip(*text, 1);
	if (sign == 'Z' || sign == 'z')
		return true;
	int hours, minutes;
	if ((sign != '+' && sign != '-') || !take_part(text, 2, ':', &hours) ||
		!take_part(text, 2, 0, &minutes) || hours > 23 || minutes > 59)
		return false;
	*us -= (sign == '-' ? -1 : 1) * (hours * 60 + minutes) * 60 * SECOND_US;
	return true;
}

bool moment_parse(struct slice text, int64_t now_us, int64_t *ret_us)
{
	struct tm day;
	int64_t us;
	int hour, minute, second;
	*ret_us = now_us;
	if (slice_equal(text, SLICE("now")))
		return true;
	if (!take_date(&text, &day, &us))
		return false;
	*ret_us = us;
	if (!text.size)
		return true;
	char between = text.data[0];
	text = slice_skip(text, 1);
	if ((between != 'T' && between != 't' && between != ' ') ||
		!take_part(&text, 2, ':', &hour) || !take_part(&text, 2, ':', &minute) ||
		!take_part(&text, 2, 0, &second) || hour > 23 || minute > 59 ||
		second > 60)
		return false;
	us += ((hour * 60 + minute) * 60 + second) * SECOND_US;
	take_fraction(&text, &us);
	if (!take_zone(&text, &us))
		return false;
	*ret_us = us;
	return !text.size;
}

static bool parse_relative(struct slice text, int64_t now_us, int sign, int64_t *ret_us)
{
	int64_t ms;
	if (!duration_parse(text, &ms))
		return moment_parse(text, now_us, ret_us);
	if (ms > INT64_MAX / 4 / 1000)
		return false;
	*ret_us = now_us + sign * ms * 1000;
	return true;
}

bool moment_parse_past(struct slice text, int64_t now_us, int64_t *ret_us)
{
	return parse_relative(text, now_us, -1, ret_us);
}

bool moment_parse_future(struct slice text, int64_t now_us, int64_t *ret_us)
{
	return parse_relative(text, now_us, 1, ret_us);
}

const char *moment_print(struct arena *arena, int64_t us)
{
	time_t seconds = us / SECOND_US;
	struct tm utc;
	char stamp[32];
	if (!gmtime_r(&seconds, &utc) ||
		!strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &utc))
		return "?";
	return arena_printf(
		arena, "%s.%03dZ", stamp, (int)(us % SECOND_US / (SECOND_US / 1000)));
}
