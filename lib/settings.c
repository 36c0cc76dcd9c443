/* SPDX-License-Identifier: MIT */
#include "lib/settings.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/setting_value.h"
#include "lib/slice.h"

#define SECRET_CEILING 65536

extern char **environ;

struct loading {
	void *config;
	struct arena *arena;
	FILE *errors;
};

static bool complain(
	FILE *errors, const struct setting *setting, const char *value, const char *what)
{
	fprintf(errors, "%s", setting->name);
	if (value)
		fprintf(errors, "=\"%.200s\"", value);
	fprintf(errors, ": %s", what);
	if (value || !setting->fallback) {
		fputs("; allowed: ", errors);
		setting_print_allowed(setting, errors);
	}
	fputc('\n', errors);
	return false;
}

/* Line ends after the secret belong to the editor that wrote the file. */
static const char *read_secret(struct arena *arena, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	char *bytes = arena_alloc(arena, SECRET_CEILING);
	size_t size = 0;
	ssize_t got;
	while ((got = read(fd, bytes + size, SECRET_CEILING - size)) > 0)
		size += (size_t)got;
	close(fd);
	if (got < 0 || size == SECRET_CEILING || memchr(bytes, '\0', size))
		return NULL;
	while (size && (bytes[size - 1] == '\n' || bytes[size - 1] == '\r'))
		size--;
	bytes[size] = '\0';
	return bytes;
}

static bool secret_value(const struct loading *loading, const struct setting *setting,
	const char **ret_value)
{
	const char *name = arena_printf(loading->arena, "%s_FILE", setting->name);
	const char *path = getenv(name);
	if (!path || !*path)
		return true;
	if (*ret_value && **ret_value) {
		fprintf(loading->errors, "%s and %s are both set: choose one\n",
			setting->name, name);
		return false;
	}
	*ret_value = read_secret(loading->arena, path);
	if (*ret_value)
		return true;
	fprintf(loading->errors,
		"%s=\"%.200s\": can't be read, or is no text below 64 kB\n", name, path);
	return false;
}

static bool load_one(const struct loading *loading, const struct setting *setting)
{
	const char *value = getenv(setting->name);
	bool is_secret = setting->type == SETTING_SECRET;
	if (is_secret && !secret_value(loading, setting, &value))
		return false;
	if (!value)
		value = setting->fallback;
	if (!value || (!setting->fallback && !*value))
		return complain(loading->errors, setting, NULL, "must be set");
	char *field = (char *)loading->config + setting->offset;
	const char *wrong = setting_parse(setting, value, loading->arena, field);
	return !wrong ||
	       complain(loading->errors, setting, is_secret ? "…" : value, wrong);
}

bool settings_load(
	const struct setting *table, void *config, struct arena *arena, FILE *errors)
{
	const struct loading loading = { config, arena, errors };
	bool is_good = true;
	for (const struct setting *s = table; s && s->name; s++)
		is_good = load_one(&loading, s) && is_good;
	return is_good;
}

/* "POSTERN_SENDER_" of "POSTERN_SENDER_POOL"; empty where there is no third word. */
static struct slice stem_of(const char *name)
{
	const char *first = strchr(name, '_');
	const char *second = first ? strchr(first + 1, '_') : NULL;
	return (struct slice){ name, second ? (size_t)(second + 1 - name) : 0 };
}

static bool is_secret_file(const struct setting *setting, struct slice name)
{
	size_t length = strlen(setting->name);
	return setting->type == SETTING_SECRET && name.size == length + 5 &&
	       memcmp(name.data, setting->name, length) == 0 &&
	       memcmp(name.data + length, "_FILE", 5) == 0;
}

/* Levenshtein's distance, one row at a time; names of more than 63 characters are far. */
static size_t distance(struct slice a, struct slice b)
{
	size_t row[64];
	if (b.size >= 64)
		return a.size + b.size;
	for (size_t j = 0; j <= b.size; j++)
		row[j] = j;
	for (size_t i = 1; i <= a.size; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= b.size; j++) {
			size_t best = diagonal + (a.data[i - 1] != b.data[j - 1]);
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			diagonal = row[j];
			row[j] = best;
		}
	}
	return row[b.size];
}

static bool is_own(const struct setting *table, struct slice name)
{
	for (; table->name; table++) {
		struct slice stem = stem_of(table->name);
		if (stem.size && name.size > stem.size &&
			memcmp(name.data, stem.data, stem.size) == 0)
			return true;
	}
	return false;
}

static const char *nearest_of(
	const struct setting *table, struct slice name, bool *ret_is_known)
{
	const char *nearest = table->name;
	size_t least = SIZE_MAX;
	*ret_is_known = false;
	for (; table->name; table++) {
		size_t far = distance(name, slice_of(table->name));
		if (far == 0 || is_secret_file(table, name))
			*ret_is_known = true;
		if (far < least) {
			least = far;
			nearest = table->name;
		}
	}
	return nearest;
}

void settings_unknown(const struct setting *table,
	void (*seen)(void *with, const char *name, const char *nearest), void *with)
{
	for (char **variable = environ; table && table->name && *variable; variable++) {
		struct slice rest = slice_of(*variable), name;
		if (!slice_split(&rest, '=', &name) || !is_own(table, name))
			continue;
		bool is_known;
		const char *nearest = nearest_of(table, name, &is_known);
		char text[128];
		snprintf(text, sizeof(text), "%.*s", SLICE_ARG(name));
		if (!is_known)
			seen(with, text, nearest);
	}
}
