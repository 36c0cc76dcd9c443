/* SPDX-License-Identifier: MIT
 *
 * What an engine of the delivery record gives: one const record of functions, each as the
 * record_ function of the same name in record.h says. An engine embeds `struct record` as
 * its first member. */
#ifndef SERVICES_SENDER_RECORD_ENGINE_H
#define SERVICES_SENDER_RECORD_ENGINE_H

#include "services/sender/record.h"

struct record {
	const struct record_engine *engine;
};

struct record_engine {
	const char *name; /* before the colon of `where` */
	/* `where` without the name and the colon. */
	struct record *(*open)(struct loop *loop, const struct record_options *options,
		const char *where, struct fault *fault);
	void (*close)(struct record *record);
	void (*ask)(struct record *record, struct slice message,
		const struct slice *recipients, size_t count, record_told *told,
		void *with);
	void (*write)(struct record *record, struct slice message,
		const struct record_entry *entries, size_t count, record_written *written,
		void *with);
	/* Both NULL: can't tell. */
	bool (*claim)(struct record *record, struct slice message);
	void (*release)(struct record *record, struct slice message);
};

extern const struct record_engine sqlite_record, redis_record, none_record;

#endif
