/* SPDX-License-Identifier: MIT */
#include "services/sender/record.h"

#include <string.h>

#include "services/sender/record_engine.h"

static const struct record_engine *const engines[] = { &sqlite_record, &redis_record,
	&none_record };

struct record *record_open(
	struct loop *loop, const struct record_options *options, struct fault *fault)
{
	for (size_t i = 0; i < sizeof(engines) / sizeof(*engines); i++) {
		size_t length = strlen(engines[i]->name);
		const char *rest = options->where + length;
		if (strncmp(options->where, engines[i]->name, length) == 0 &&
			(*rest == ':' || *rest == '\0'))
			return engines[i]->open(
				loop, options, *rest ? rest + 1 : rest, fault);
	}
	fault_permanent(fault,
		"delivery record \"%s\" is neither sqlite:FILE nor redis:HOST:PORT[/DB] "
		"nor none",
		options->where);
	return NULL;
}

void record_close(struct record *record)
{
	if (record)
		record->engine->close(record);
}

void record_ask(struct record *record, struct slice message,
	const struct slice *recipients, size_t count, record_told *told, void *with)
{
	record->engine->ask(record, message, recipients, count, told, with);
}

void record_write(struct record *record, struct slice message,
	const struct record_entry *entries, size_t count, record_written *written,
	void *with)
{
	record->engine->write(record, message, entries, count, written, with);
}

bool record_claim(struct record *record, struct slice message)
{
	return !record->engine->claim || record->engine->claim(record, message);
}

void record_release(struct record *record, struct slice message)
{
	if (record->engine->release)
		record->engine->release(record, message);
}
