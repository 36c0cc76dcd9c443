/* SPDX-License-Identifier: MIT */
#include "lib/setting_value.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/slice.h"

/* Largest last, so that a value is printed in the largest unit that divides it. */
struct unit {
	const char *suffix;
	int64_t factor;
};
static const struct unit no_units[] = { { "", 1 }, { 0 } };
static const struct unit byte_units[] = { { "", 1 }, { "k", 1 << 10 }, { "M", 1 << 20 },
	{ "G", 1 << 30 }, { 0 } };
static const struct unit duration_units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 },
	{ "h", 3600000 }, { "d", 86400000 }, { 0 } };

static const struct unit *units_of(enum setting_type type)
{
	if (type == SETTING_DURATION)
		return duration_units;
	return type == SETTING_BYTES ? byte_units : no_units;
}

static int64_t max_of(const struct setting *setting)
{
	return setting->max ? setting->max : INT64_MAX;
}

/* Skips the digits; false if they make no int64_t. */
static bool parse_digits(const char **text, int64_t *ret_number)
{
	int64_t number = 0;
	for (; **text >= '0' && **text <= '9'; ++*text)
		if (__builtin_mul_overflow(number, 10, &number) ||
			__builtin_add_overflow(number, **text - '0', &number))
			return false;
	*ret_number = number;
	return true;
}

static const char *parse_quantity(
	const struct setting *setting, const char *value, int64_t *ret_quantity)
{
	int64_t quantity;
	const char *suffix = value;
	if (!parse_digits(&suffix, &quantity))
		return "out of range";
	if (suffix == value)
		return "not a number";
	const struct unit *unit = units_of(setting->type);
	while (unit->suffix && strcmp(unit->suffix, suffix) != 0)
		unit++;
	bool is_zero = quantity == 0 && !*suffix;
	if (!unit->suffix && !is_zero)
		return *suffix ? "unknown unit" : "has no unit";
	if (__builtin_mul_overflow(quantity, is_zero ? 1 : unit->factor, &quantity) ||
		quantity < setting->min || quantity > max_of(setting))
		return "out of range";
	*ret_quantity = quantity;
	return NULL;
}

static bool is_port(struct slice text)
{
	unsigned port = 0;
	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] < '0' || text.data[i] > '9' || i > 4)
			return false;
		port = port * 10 + (unsigned)(text.data[i] - '0');
	}
	return text.size && port <= 65535;
}

static bool is_host(struct slice host)
{
	struct in6_addr v6;
	char text[256];
	if (!host.size || host.size >= sizeof(text))
		return false;
	memcpy(text, host.data, host.size);
	text[host.size] = '\0';
	if (text[0] == '[' && text[host.size - 1] == ']') {
		text[host.size - 1] = '\0';
		return inet_pton(AF_INET6, text + 1, &v6) == 1;
	}
	return strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			    "0123456789.-_") == host.size;
}

static const char *check_address(const char *value)
{
	const char *colon = strrchr(value, ':');
	if (!*value)
		return NULL;
	if (!colon || !is_port(slice_of(colon + 1)))
		return "has no port";
	return is_host((struct slice){ value, (size_t)(colon - value) }) ? NULL
									 : "has no host";
}

static const char *check_path(const char *value, bool is_folder)
{
	struct stat stat_of_path;
	if (!*value)
		return NULL;
	if (stat(value, &stat_of_path) != 0)
		return "does not exist, or may not be looked at";
	if (S_ISDIR(stat_of_path.st_mode) != is_folder)
		return is_folder ? "is no folder" : "is a folder";
	return access(value, is_folder ? R_OK | X_OK : R_OK) == 0 ? NULL
								  : "may not be read";
}

static const char *check_choice(const char *choices, const char *value)
{
	struct slice rest = slice_of(choices), choice;
	while (slice_split(&rest, ' ', &choice))
		if (slice_equal(choice, slice_of(value)))
			return NULL;
	return "is none of them";
}

static const char *parse_switch(const char *value, bool *ret_on)
{
	*ret_on = strcmp(value, "yes") == 0;
	return *ret_on || strcmp(value, "no") == 0 ? NULL : "is neither";
}

const char *setting_parse(const struct setting *setting, const char *value,
	struct arena *arena, void *field)
{
	const char *wrong = NULL;
	switch (setting->type) {
	case SETTING_NUMBER:
	case SETTING_BYTES:
	case SETTING_DURATION:
		return parse_quantity(setting, value, field);
	case SETTING_SWITCH:
		return parse_switch(value, field);
	case SETTING_ADDRESS:
		wrong = check_address(value);
		break;
	case SETTING_FOLDER:
	case SETTING_FILE:
		wrong = check_path(value, setting->type == SETTING_FOLDER);
		break;
	case SETTING_CHOICE:
		wrong = check_choice(setting->choices, value);
		break;
	case SETTING_TEXT:
	case SETTING_SECRET:
		break;
	}
	if (!wrong)
		*(const char **)field = arena_string(arena, slice_of(value));
	return wrong;
}

static void print_quantity(const struct setting *setting, int64_t quantity, FILE *out)
{
	const struct unit *best = units_of(setting->type);
	for (const struct unit *unit = best; unit->suffix; unit++)
		if (quantity && quantity % unit->factor == 0)
			best = unit;
	if (quantity)
		fprintf(out, "%lld%s", (long long)(quantity / best->factor),
			best->suffix);
	else
		fputc('0', out);
}

static void print_choices(const char *choices, FILE *out)
{
	struct slice rest = slice_of(choices), choice;
	for (const char *comma = ""; slice_split(&rest, ' ', &choice); comma = ", ")
		fprintf(out, "%s%.*s", comma, SLICE_ARG(choice));
}

void setting_print_allowed(const struct setting *setting, FILE *out)
{
	static const char *const words[] = {
		[SETTING_TEXT] = "text",
		[SETTING_FOLDER] = "an existing folder",
		[SETTING_FILE] = "a readable file",
		[SETTING_ADDRESS] = "HOST:PORT or [V6]:PORT",
		[SETTING_SECRET] = "text",
		[SETTING_NUMBER] = "a number",
		[SETTING_BYTES] = "bytes, also with k, M or G",
		[SETTING_DURATION] = "a time with ms, s, m, h or d",
		[SETTING_SWITCH] = "yes or no",
		[SETTING_CHOICE] = "",
	};
	fputs(words[setting->type], out);
	if (setting->type == SETTING_CHOICE)
		print_choices(setting->choices, out);
	if (!setting->min && !setting->max)
		return;
	fputs(setting->max ? ", " : ", from ", out);
	print_quantity(setting, setting->min, out);
	if (setting->max) {
		fputs(" to ", out);
		print_quantity(setting, setting->max, out);
	}
}
