/* SPDX-License-Identifier: MIT */
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/notice.h"
#include "cli/past.h"
#include "cli/quantity.h"
#include "lib/clock.h"
#include "lib/mail.h"

#define LIMIT_DEFAULT 10000

struct replaying {
	struct command *command;
	struct replay_target target;
	struct filter filter;
	struct past_query query;
	struct past past;
	uint64_t limit;
	bool is_again;
	size_t done;
};

static bool read_times(struct command *command, struct past_query *query)
{
	const char *since = command_option(command, "since");
	const char *until = command_option(command, "until");
	int64_t now_us = clock_unix_us(), from_us, to_us = now_us;
	if (!since)
		return command_misused(
			       command, "say with --since from when on: %s", MOMENT_FORM),
		       false;
	if (!moment_parse_past(slice_of(since), now_us, &from_us))
		return command_misused(command, "--since \"%s\" is none of %s", since,
			       MOMENT_FORM),
		       false;
	if (until && !moment_parse_past(slice_of(until), now_us, &to_us))
		return command_misused(command, "--until \"%s\" is none of %s", until,
			       MOMENT_FORM),
		       false;
	/* Always bounded: what is replayed into its own topic must not be found again. */
	query->from_ms = from_us / 1000;
	query->to_ms = to_us / 1000;
	return true;
}

/* False: what is wrong has been printed. */
static bool read_options(struct command *command, struct replaying *replaying)
{
	struct fault fault = { 0 };
	const char *topic = command_option(command, "topic");
	const char *into = command_option(command, "into");
	const char *limit = command_option(command, "limit");
	if (!topic || !into)
		return command_misused(command,
			       "say from where with --topic, and where to with --into"),
		       false;
	if (!replay_target_parse(&replaying->target, command->arena, into, &fault))
		return command_misused(command, "--into: %s", fault.text), false;
	if (!replay_check_source(&replaying->target, topic, &fault))
		return command_misused(command, "--topic: %s", fault.text), false;
	const char *where;
	for (size_t n = 0; (where = command_option_n(command, "where", n)); n++)
		if (!filter_add(&replaying->filter, command->arena, where, &fault))
			return command_misused(command, "--where: %s", fault.text), false;
	replaying->limit = LIMIT_DEFAULT;
	if (limit && !bytes_parse(slice_of(limit), &replaying->limit))
		return command_misused(command, "--limit \"%s\" is no number", limit),
		       false;
	replaying->is_again = command_option(command, "again");
	replaying->query = (struct past_query){
		.topic = topic, .filter = &replaying->filter, .target = &replaying->target
	};
	return read_times(command, &replaying->query);
}

static void print_plan(struct replaying *replaying)
{
	struct command *command = replaying->command;
	const struct past_query *query = &replaying->query;
	fprintf(command->out, "%zu messages of %s, published from %s to %s, into %s\n",
		replaying->past.count, query->topic,
		moment_print(command->arena, query->from_ms * 1000),
		moment_print(command->arena, query->to_ms * 1000),
		command_option(command, "into"));
	fputs(replaying->is_again
			? "as new messages under new ids: every recipient gets them, even "
			  "those who have them\n"
			: "under their own ids: recipients who have them, as far as the "
			  "delivery record knows, do not get them again\n",
		command->out);
	if (replaying->past.refused)
		fprintf(command->out, "left out: %zu that are %s\n",
			replaying->past.refused, replaying->past.refusal);
	if (replaying->past.damaged)
		fprintf(command->out, "left out: %zu records that hold no mail\n",
			replaying->past.damaged);
}

static void begin_notices(struct replaying *replaying, struct arena *arena,
	const Postern__Mail *mail, const char *former_id, const char *way)
{
	struct session *session = replaying->command->session;
	Postern__Event *event = notice_new(
		arena, mail, POSTERN__EVENT_KIND__EVENT_REPLAYED);
	event->reason = (char *)way;
	if (!replaying->is_again) {
		notice_begin(session, arena, event);
		return;
	}
	/* The new id's trace begins here, so it is told what an acceptance tells. */
	Postern__Accepted accepted = POSTERN__ACCEPTED__INIT;
	accepted.from = mail->envelope->from;
	accepted.n_recipients = mail->envelope->n_recipients;
	accepted.recipients = ARENA_ARRAY(arena, char *, accepted.n_recipients + 1);
	for (size_t i = 0; i < accepted.n_recipients; i++)
		accepted.recipients[i] = mail->envelope->recipients[i]->address;
	accepted.header_from = mail->header_from;
	accepted.subject = mail->subject;
	accepted.size_bytes = mail->content.len;
	accepted.content_sha256 = mail->content_sha256;
	event->accepted = &accepted;
	event->reason = arena_printf(
		arena, "a new message made of %s, %s", former_id, way);
	notice_begin(session, arena, event);
	event->accepted = NULL;
	event->message_id = (char *)former_id;
	event->reason = arena_printf(arena, "sent again as %s, %s", mail->id, way);
	notice_begin(session, arena, event);
}

static void replay_one(
	void *with, struct arena *arena, const char *topic, Postern__Mail *mail)
{
	struct replaying *replaying = with;
	const char *former_id = mail->id;
	const char *into = replay_prepare(
		&replaying->target, arena, mail, replaying->is_again);
	struct bus_record record = { .topic = into, .key = mail_key(arena, mail) };
	mail_encode(arena, mail, &record);
	session_begin(replaying->command->session, &record);
	begin_notices(replaying, arena, mail, former_id,
		arena_printf(arena, "from %s into %s", topic, into));
	replaying->done++;
	if (isatty(fileno(replaying->command->errors)))
		fprintf(replaying->command->errors, "\r%zu of %zu", replaying->done,
			replaying->past.count);
}

static enum status do_it(struct replaying *replaying)
{
	struct command *command = replaying->command;
	struct fault fault = { 0 };
	bool is_good = past_read(
		command->session, &replaying->past, replay_one, replaying, &fault);
	if (isatty(fileno(command->errors)))
		fputc('\n', command->errors);
	if (!is_good)
		return command_failed(command, "%s; %zu of %zu were begun%s", fault.text,
			replaying->done, replaying->past.count,
			replaying->is_again ? ": a repeat would send these once more"
					    : "; a repeat sends none twice that the "
					      "delivery record knows");
	fprintf(command->out, "%zu replayed\n", replaying->done);
	return STATUS_DONE;
}

static enum status replay(struct command *command)
{
	struct replaying replaying = { .command = command };
	if (!read_options(command, &replaying))
		return STATUS_USAGE;
	if (!command_session(command))
		return STATUS_FAILED;
	struct fault fault = { 0 };
	if (!past_find(command->session, command->arena, &replaying.query,
		    &replaying.past, &fault))
		return command_failed(command, "%s", fault.text);
	print_plan(&replaying);
	if (command_option(command, "dry-run") || !replaying.past.count)
		return STATUS_DONE;
	if (replaying.past.count > replaying.limit)
		return command_failed(command,
			"that is more than %llu: narrow it with --since, --until and --where, "
			"or allow it with --limit %zu",
			(unsigned long long)replaying.limit, replaying.past.count);
	if (!command_option(command, "yes"))
		return command_failed(command, "nothing is done yet: --yes does it");
	return do_it(&replaying);
}

static const struct option options[] = {
	{ "topic", 0, "TOPIC", "where from: a topic, or a family such as mail.cleared" },
	{ "since", 0, "WHEN", MOMENT_FORM " ago" },
	{ "until", 0, "WHEN", "likewise; else now" },
	{ "where", 0, "CONDITION", FILTER_HELP },
	{ "into", 0, "TOPIC", "where to; a family puts each into its own lane" },
	{ "again", 0, NULL, "under new ids, to recipients who have it too" },
	{ "limit", 0, "N", "do nothing if there are more; else 10000" },
	{ "dry-run", 0, NULL, "only say what and how many" },
	{ "yes", 0, NULL, "do it" },
	{ 0 },
};

static const struct action actions[] = {
	{ NULL, "", 0, 0, NULL, options, replay },
};

const struct verb replay_verb = {
	.name = "replay",
	.summary = "put mail of the past into the stream once more",
	.help = "Says what and how many, then does it with --yes. Into mail.accepted the mail\n"
		"is scanned and signed anew, into mail.cleared signed anew. What the scanner "
		"has\n"
		"not cleared can't go behind it, what is not signed can't go into "
		"mail.outbound.\n"
		"Topics keep mail for a day (`posternctl topics`).\n\n"
		"Who has a message is known from the delivery record. It forgets after\n"
		"POSTERN_SENDER_RECORD_KEEP; on Kafka there is none unless "
		"POSTERN_SENDER_RECORD\n"
		"names a Redis. Then a replay sends it to everybody once more.\n\n"
		"    posternctl replay --topic mail.outbound --since 2h --where app=shop \\\n"
		"        --into mail.outbound --dry-run\n"
		"    posternctl replay --topic mail.cleared --since 1h --where id=ID \\\n"
		"        --into mail.cleared --again --yes\n",
	ACTIONS(actions),
};
