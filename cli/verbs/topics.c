/* SPDX-License-Identifier: MIT */
#include "cli/command.h"
#include "cli/listing.h"
#include "cli/quantity.h"
#include "cli/session.h"
#include "lib/bus/engine.h"
#include "lib/topics.h"

static void add_row(void *with, const char *topic)
{
	struct listing *listing = with;
	const struct bus_topic *kept = bus_topic_find(postern_topics, topic);
	const char *age = "for ever", *size = "";
	if (kept && kept->compacted)
		age = "newest of each key";
	else if (kept && kept->retention_ms)
		age = duration_print(listing->arena, kept->retention_ms);
	if (kept && kept->retention_bytes)
		size = bytes_print(listing->arena, (uint64_t)kept->retention_bytes);
	LISTING_ADD(listing, topic, age, size);
}

static enum status topics(struct command *command)
{
	static const char *const titles[] = { "TOPIC", "KEPT", "UP TO", NULL };
	struct listing listing;
	listing_init(&listing, command->arena, titles);
	struct fault fault = { 0 };
	if (!command_session(command))
		return STATUS_FAILED;
	const char *prefix = command->word_count ? command->words[0] : "";
	if (!session_list(command->session, prefix, add_row, &listing, &fault))
		return command_failed(command, "%s", fault.text);
	listing_print(&listing, command->out);
	return STATUS_DONE;
}

static const struct action actions[] = {
	{ NULL, "[PREFIX]", 0, 1, NULL, NULL, topics },
};

const struct verb topics_verb = {
	.name = "topics",
	.summary = "list the topics and how long each keeps its records",
	ACTIONS(actions),
};
