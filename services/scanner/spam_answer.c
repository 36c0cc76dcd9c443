/* SPDX-License-Identifier: MIT */
#include "services/scanner/spam_answer.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

#include "lib/printable.h"

#define SCORE_MAX     1e6
#define ACTION_MAX    40
#define SYMBOL_MAX    40
#define SYMBOLS_SHOWN 5

struct symbol {
	const char *name;
	double score;
};

static bool is_score(const json_t *value, double *ret_score)
{
	if (!json_is_number(value))
		return false;
	double score = json_number_value(value);
	if (!isfinite(score) || fabs(score) > SCORE_MAX)
		return false;
	*ret_score = score;
	return true;
}

/* The heaviest stay, heaviest first. */
static void weigh(struct symbol *heaviest, struct symbol symbol)
{
	for (size_t i = 0; i < SYMBOLS_SHOWN; i++) {
		if (heaviest[i].name && heaviest[i].score >= symbol.score)
			continue;
		struct symbol lighter = heaviest[i];
		heaviest[i] = symbol;
		if (!lighter.name)
			return;
		symbol = lighter;
	}
}

static const char *list_symbols(struct arena *arena, json_t *symbols)
{
	struct symbol heaviest[SYMBOLS_SHOWN] = { 0 };
	const char *name;
	json_t *facts;
	json_object_foreach(symbols, name, facts)
	{
		double score;
		if (is_score(json_object_get(facts, "score"), &score) && score > 0)
			weigh(heaviest, (struct symbol){ name, score });
	}
	const char *list = "";
	for (size_t i = 0; i < SYMBOLS_SHOWN && heaviest[i].name; i++)
		list = arena_printf(arena, "%s%s%s(%.1f)", list, i ? ", " : "",
			printable(arena, slice_of(heaviest[i].name), SYMBOL_MAX),
			heaviest[i].score);
	return list;
}

static bool read_answer(struct arena *arena, const json_t *root,
	struct spam_answer *ret_answer, struct fault *fault)
{
	const json_t *error = json_object_get(root, "error");
	if (json_is_string(error))
		return fault_temporary(fault, "rspamd: %s",
			printable(arena, slice_of(json_string_value(error)), 200));
	const char *action = json_string_value(json_object_get(root, "action"));
	if (!action || !*action ||
		!is_score(json_object_get(root, "score"), &ret_answer->score))
		return fault_temporary(fault, "an answer without score and action");
	ret_answer->action = printable(arena, slice_of(action), ACTION_MAX);
	ret_answer->symbols = list_symbols(arena, json_object_get(root, "symbols"));
	return true;
}

bool spam_answer_parse(struct arena *arena, struct slice bytes,
	struct spam_answer *ret_answer, struct fault *fault)
{
	json_error_t error;
	json_t *root = json_loadb(
		bytes.data ? bytes.data : "", bytes.size, JSON_REJECT_DUPLICATES, &error);
	if (!root)
		return fault_temporary(fault, "an answer that is not JSON: %s",
			printable(arena, slice_of(error.text), 100));
	bool good = read_answer(arena, root, ret_answer, fault);
	json_decref(root);
	return good;
}
