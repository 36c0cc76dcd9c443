/* SPDX-License-Identifier: MIT
 *
 * No delivery record: every repeat is delivered again. Remembers nothing, fails never. */
#include <stdlib.h>

#include "lib/loop.h"
#include "lib/memory.h"
#include "services/sender/record_engine.h"

/* Whoever asked is answered from the loop, as by the other engines. */
struct answer {
	struct answer *next;
	size_t count;
	record_told *told;
	record_written *written;
	void *with;
};

struct none {
	struct record record;
	struct timer *timer;
	struct answer *answers, **end;
};

static void on_timer(void *with)
{
	struct none *none = with;
	struct answer *answer = none->answers;
	none->answers = NULL;
	none->end = &none->answers;
	while (answer) {
		struct answer *next = answer->next;
		if (answer->told) {
			struct slice *notes = NEW_ARRAY(struct slice, answer->count + 1);
			answer->told(answer->with, notes, NULL);
			free(notes);
		} else {
			answer->written(answer->with, NULL);
		}
		free(answer);
		answer = next;
	}
}

static void add(struct none *none, struct answer answer)
{
	struct answer *copy = NEW(struct answer);
	*copy = answer;
	*none->end = copy;
	none->end = &copy->next;
	timer_start(none->timer, 0);
}

static struct record *none_open(struct loop *loop, const struct record_options *options,
	const char *where, struct fault *fault)
{
	(void)options, (void)where, (void)fault;
	struct none *none = NEW(struct none);
	*none = (struct none){ .record = { &none_record } };
	none->end = &none->answers;
	none->timer = timer_new(loop, on_timer, none);
	return &none->record;
}

static void none_close(struct record *record)
{
	struct none *none = (struct none *)record;
	while (none->answers) {
		struct answer *next = none->answers->next;
		free(none->answers);
		none->answers = next;
	}
	timer_free(none->timer);
	free(none);
}

static void none_ask(struct record *record, struct slice message,
	const struct slice *recipients, size_t count, record_told *told, void *with)
{
	(void)message, (void)recipients;
	add((struct none *)record,
		(struct answer){ .count = count, .told = told, .with = with });
}

static void none_write(struct record *record, struct slice message,
	const struct record_entry *entries, size_t count, record_written *written,
	void *with)
{
	(void)message, (void)entries, (void)count;
	add((struct none *)record, (struct answer){ .written = written, .with = with });
}

const struct record_engine none_record = {
	.name = "none",
	.open = none_open,
	.close = none_close,
	.ask = none_ask,
	.write = none_write,
};
