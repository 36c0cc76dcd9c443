/* SPDX-License-Identifier: MIT */
#include "services/smtp-gateway/parameter.h"

#include <stddef.h>
#include <string.h>

static bool take_one(struct slice text, const struct parameter *table, void *with,
	unsigned *seen, struct refusal *refusal)
{
	struct slice value = text, name;
	slice_split(&value, '=', &name);
	for (size_t i = 0; table[i].name; i++) {
		if (!slice_equal_nocase(name, slice_of(table[i].name)))
			continue;
		if (*seen & 1u << i)
			return refuse(refusal, "501", "5.5.4", "%s is given twice",
				table[i].name);
		*seen |= 1u << i;
		return table[i].take(with, value, refusal);
	}
	return refuse(refusal, "555", "5.5.4", "Parameter %.*s is not known here",
		SLICE_ARG(slice_head(name, 40)));
}

bool parameters_take(struct slice text, const struct parameter *table, void *with,
	struct refusal *refusal)
{
	struct slice part;
	unsigned seen = 0;
	if (text.size && text.data[0] != ' ')
		return refuse(refusal, "501", "5.5.4", "A blank must follow the address");
	while (slice_split(&text, ' ', &part))
		if (part.size && !take_one(part, table, with, &seen, refusal))
			return false;
	return true;
}

static bool is_hex(char byte)
{
	return (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'F');
}

bool xtext_is_valid(struct slice text)
{
	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] < '!' || text.data[i] > '~' || text.data[i] == '=')
			return false;
		if (text.data[i] != '+')
			continue;
		if (i + 2 >= text.size || !is_hex(text.data[i + 1]) ||
			!is_hex(text.data[i + 2]))
			return false;
		i += 2;
	}
	return text.size > 0;
}
