/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/loop.h"
#include "lib/memory.h"
#include "services/sender/record.h"
#include "tests/chaos/powerloss/player/player.h"

#define KEEP_MS INT64_C(604800000)

static const struct slice recipient = SLICE("who@destination.test");

struct scribe {
	struct loop *loop;
	struct record *record;
	const char *name; /* NULL: recalls */
	unsigned long next, count, window, under_way;
};

struct asked {
	struct scribe *scribe;
	char id[64];
};

static void do_more(struct scribe *scribe);

static void finish(struct asked *asked)
{
	struct scribe *scribe = asked->scribe;
	free(asked);
	scribe->under_way--;
	do_more(scribe);
}

static void note_written(void *with, const struct fault *fault)
{
	struct asked *asked = with;
	mark("%c record %s%s%s", fault ? 'F' : 'A', asked->id, fault ? " " : "",
		fault ? fault->text : "");
	finish(asked);
}

static void write_one(struct scribe *scribe, struct asked *asked)
{
	char note[96];
	snprintf(asked->id, sizeof(asked->id), "%s-%06lu", scribe->name, scribe->next++);
	snprintf(note, sizeof(note), "done-%s", asked->id);
	struct record_entry entry = { recipient, slice_of(note) };
	mark("P record %s", asked->id);
	record_write(scribe->record, slice_of(asked->id), &entry, 1, note_written, asked);
}

static void note_told(void *with, const struct slice *notes, const struct fault *fault)
{
	struct asked *asked = with;
	struct slice note = notes && notes->size ? *notes : SLICE("none");
	if (fault)
		note = slice_of(fault->text);
	printf("N %s %.*s\n", asked->id, SLICE_ARG(note));
	finish(asked);
}

static void do_more(struct scribe *scribe)
{
	while (scribe->under_way < scribe->window) {
		struct asked *asked = NEW(struct asked);
		asked->scribe = scribe;
		scribe->under_way++;
		if (scribe->name && scribe->next < scribe->count) {
			write_one(scribe, asked);
		} else if (!scribe->name && scanf("%63s", asked->id) == 1) {
			record_ask(scribe->record, slice_of(asked->id), &recipient, 1,
				note_told, asked);
		} else {
			free(asked);
			if (--scribe->under_way == 0)
				loop_stop(scribe->loop);
			return;
		}
	}
}

int play_record(int argc, char **argv)
{
	const bool is_recall = argc == 3;
	struct scribe scribe = { .loop = loop_new(),
		.name = is_recall ? NULL : argv[3],
		.count = is_recall ? 0 : strtoul(argv[4], NULL, 10),
		.window = is_recall ? 100 : strtoul(argv[5], NULL, 10) };
	struct fault fault;
	char where[512];
	snprintf(where, sizeof(where), "sqlite:%s", argv[2]);
	scribe.record = record_open(scribe.loop,
		&(struct record_options){
			.where = where, .pool = "default", .keep_ms = KEEP_MS },
		&fault);
	if (!scribe.record) {
		fprintf(stderr, "powerloss-player: %s\n", fault.text);
		return 1;
	}
	do_more(&scribe);
	if (scribe.under_way)
		loop_run(scribe.loop);
	record_close(scribe.record);
	loop_free(scribe.loop);
	return 0;
}
