/* SPDX-License-Identifier: MIT */
#include "cli/filter.h"

#include <fnmatch.h>
#include <string.h>

#include "cli/json.h"
#include "lib/topics.h"

struct filter_term {
	const struct filter_key *key;
	const char *value;
};

static bool is_same(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

static bool is_like(const char *pattern, const char *text)
{
	return fnmatch(pattern, text, FNM_CASEFOLD) == 0;
}

static bool match_app(const Postern__Mail *mail, const char *value)
{
	return is_same(mail->app, value);
}

static bool match_lane(const Postern__Mail *mail, const char *value)
{
	const char *name = lane_name(mail->lane);
	return name && is_same(name, value);
}

static bool match_pool(const Postern__Mail *mail, const char *value)
{
	return is_same(*mail->pool ? mail->pool : "default", value);
}

static bool match_verdict(const Postern__Mail *mail, const char *value)
{
	int wanted = POSTERN__DECISION__DECISION_UNSPECIFIED;
	enum_parse(&postern__decision__descriptor, value, &wanted);
	return (mail->verdict ? (int)mail->verdict->decision : 0) == wanted;
}

static bool match_from(const Postern__Mail *mail, const char *value)
{
	return is_like(value, mail->envelope->from) || is_like(value, mail->header_from);
}

static bool match_to(const Postern__Mail *mail, const char *value)
{
	for (size_t i = 0; i < mail->envelope->n_recipients; i++)
		if (is_like(value, mail->envelope->recipients[i]->address))
			return true;
	return false;
}

static bool match_id(const Postern__Mail *mail, const char *value)
{
	return is_same(mail->id, value);
}

static const struct filter_key {
	const char *name;
	bool (*matches)(const Postern__Mail *mail, const char *value);
	const char *allowed; /* by spaces; NULL: any text */
} keys[] = {
	{ "app", match_app },
	{ "lane", match_lane, " urgent normal bulk " },
	{ "pool", match_pool },
	{ "verdict", match_verdict, " none clear protect hold reject " },
	{ "from", match_from },
	{ "to", match_to },
	{ "id", match_id },
};

static const struct filter_key *find_key(struct slice name)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (slice_equal(slice_of(keys[i].name), name))
			return &keys[i];
	return NULL;
}

static bool add_term(struct filter *filter, struct arena *arena, struct slice text,
	struct fault *fault)
{
	struct slice rest = text, name;
	slice_split(&rest, '=', &name);
	const struct filter_key *key = find_key(name);
	if (!key || !rest.data)
		return fault_permanent(
			fault, "\"%.*s\" is none of %s", SLICE_ARG(text), FILTER_HELP);
	const char *value = arena_string(arena, rest);
	if (key->allowed && !strstr(key->allowed, arena_printf(arena, " %s ", value)))
		return fault_permanent(fault, "\"%.*s\" can't be; allowed:%s",
			SLICE_ARG(text), key->allowed);
	struct filter_term *terms = ARENA_ARRAY(
		arena, struct filter_term, filter->count + 1);
	if (filter->count)
		memcpy(terms, filter->terms, filter->count * sizeof(*terms));
	terms[filter->count++] = (struct filter_term){ key, value };
	filter->terms = terms;
	return true;
}

bool filter_add(
	struct filter *filter, struct arena *arena, const char *text, struct fault *fault)
{
	struct slice rest = slice_of(text), term;
	while (slice_split(&rest, ',', &term))
		if (!add_term(filter, arena, term, fault))
			return false;
	return true;
}

bool filter_matches(const struct filter *filter, const Postern__Mail *mail)
{
	for (size_t i = 0; i < filter->count; i++)
		if (!filter->terms[i].key->matches(mail, filter->terms[i].value))
			return false;
	return true;
}
