/* SPDX-License-Identifier: MIT */
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/held.h"
#include "cli/json.h"
#include "cli/listing.h"
#include "cli/quantity.h"
#include "lib/clock.h"
#include "lib/printable.h"

/* False: what is wrong has been printed. */
static bool read_query(
	struct command *command, struct filter *filter, struct held_query *ret_query)
{
	struct fault fault = { 0 };
	const char *app = command_option(command, "app");
	const char *since = command_option(command, "since");
	const char *where;
	*ret_query = (struct held_query){ filter, 0 };
	for (size_t n = 0; (where = command_option_n(command, "where", n)); n++)
		if (!filter_add(filter, command->arena, where, &fault))
			return command_misused(command, "--where: %s", fault.text), false;
	if (app && !filter_add(filter, command->arena,
			   arena_printf(command->arena, "app=%s", app), &fault))
		return command_misused(command, "--app: %s", fault.text), false;
	if (since && !moment_parse_past(
			     slice_of(since), clock_unix_us(), &ret_query->since_us))
		return command_misused(command, "--since \"%s\" is none of %s", since,
			       MOMENT_FORM),
		       false;
	return true;
}

static enum status survey(struct command *command, struct held_list *ret_list)
{
	struct filter filter = { 0 };
	struct held_query query;
	struct fault fault = { 0 };
	if (!read_query(command, &filter, &query))
		return STATUS_USAGE;
	if (!command_session(command))
		return STATUS_FAILED;
	if (!held_survey(command->session, command->arena, &query, ret_list, &fault))
		return command_failed(command, "%s", fault.text);
	return STATUS_DONE;
}

/* --- looking --------------------------------------------------------------------------
 */

static json_t *held_json(struct arena *arena, const struct held *held)
{
	const char *const cells[][2] = {
		{ "id", held->id },
		{ "hold", held->key },
		{ "held", moment_print(arena, held->held_us) },
		{ "app", held->app },
		{ "stage", held->stage },
		{ "from", held->from },
		{ "subject", held->subject },
		{ "reason", held->reason },
	};
	json_t *value = json_object();
	for (size_t i = 0; i < sizeof(cells) / sizeof(*cells); i++)
		json_object_set_new(value, cells[i][0],
			json_string(printable_string(arena, cells[i][1])));
	json_object_set_new(
		value, "recipients", json_integer((json_int_t)held->recipients));
	return value;
}

static enum status list(struct command *command)
{
	static const char *const titles[] = { "ID", "HELD", "APP", "STAGE", "FROM", "TO",
		"SUBJECT", "REASON", NULL };
	struct held_list found;
	enum status status = survey(command, &found);
	if (status != STATUS_DONE)
		return status;
	struct listing listing;
	listing_init(&listing, command->arena, titles);
	for (size_t i = 0; i < found.count; i++) {
		const struct held *held = found.list[i];
		if (command_option(command, "json")) {
			json_print_line(held_json(command->arena, held), command->out);
			continue;
		}
		LISTING_ADD(&listing, held->key,
			moment_print(command->arena, held->held_us), held->app,
			held->stage, held->from,
			arena_printf(command->arena, "%zu", held->recipients),
			held->subject, held->reason);
	}
	if (listing.count)
		listing_print(&listing, command->out);
	else if (!found.count)
		fputs("none\n", command->errors);
	return STATUS_DONE;
}

static void print_row(struct command *command, const char *title, const char *text)
{
	if (text && *text)
		fprintf(command->out, "%-13s %s\n", title,
			printable_string(command->arena, text));
}

static void print_findings(struct command *command, const Postern__Verdict *verdict)
{
	static const char *const titles[] = { "CHECK", "FOUND", "COUNT", "SCORE",
		"DECISION", "EVIDENCE", "WHERE", NULL };
	struct listing listing;
	listing_init(&listing, command->arena, titles);
	for (size_t i = 0; i < verdict->n_findings; i++) {
		const Postern__Finding *finding = verdict->findings[i];
		LISTING_ADD(&listing, finding->check, finding->name,
			arena_printf(command->arena, "%u", finding->count),
			finding->score != 0
				? arena_printf(command->arena, "%.1f", finding->score)
				: "",
			enum_word(command->arena, &postern__decision__descriptor,
				(int)finding->decision),
			finding->evidence, finding->part);
	}
	fputc('\n', command->out);
	if (listing.count)
		listing_print(&listing, command->out);
}

static void print_mail(struct command *command, const Postern__Mail *mail)
{
	struct arena *arena = command->arena;
	const Postern__Hold *hold = mail->hold;
	const Postern__Verdict *verdict = mail->verdict;
	print_row(command, "id", mail->id);
	print_row(command, "app", mail->app);
	print_row(
		command, "accepted", moment_print(arena, mail->submission->received_us));
	if (hold) {
		print_row(command, "held", moment_print(arena, hold->held_us));
		print_row(command, "by", hold->stage);
		print_row(command, "reason", hold->reason);
	}
	print_row(command, "release to", held_release_family(mail));
	print_row(command, "from", arena_printf(arena, "<%s>", mail->envelope->from));
	print_row(command, "header From", mail->header_from);
	for (size_t i = 0; i < mail->envelope->n_recipients; i++)
		print_row(command, i ? "" : "to", mail->envelope->recipients[i]->address);
	print_row(command, "subject", mail->subject);
	print_row(command, "size", arena_printf(arena, "%zu", mail->content.len));
	print_row(command, "client", mail->submission->client_address);
	print_row(command, "credential", mail->submission->credential);
	print_row(command, "policy", mail->policy);
	if (!verdict)
		return;
	print_row(command, "verdict",
		arena_printf(arena, "%s: %s",
			enum_word(arena, &postern__decision__descriptor,
				(int)verdict->decision),
			verdict->reason));
	print_row(command, "engine", verdict->engine);
	print_findings(command, verdict);
}

static enum status print_raw(struct command *command, const Postern__Mail *mail)
{
	if (isatty(fileno(command->out)))
		return command_failed(command,
			"the bytes of a held message can drive your terminal: write them to "
			"a file with > FILE, or through | less");
	for (size_t i = 0; i < mail->n_headers; i++)
		fwrite(mail->headers[i].data, 1, mail->headers[i].len, command->out);
	fwrite(mail->content.data, 1, mail->content.len, command->out);
	return STATUS_DONE;
}

static enum status show(struct command *command)
{
	struct fault fault = { 0 };
	if (!command_session(command))
		return STATUS_FAILED;
	const Postern__Mail *mail = held_read(
		command->session, command->arena, command->words[0], &fault);
	if (!mail)
		return command_failed(command, "%s: %s", command->words[0], fault.text);
	if (command_option(command, "raw"))
		return print_raw(command, mail);
	print_mail(command, mail);
	return STATUS_DONE;
}

/* --- acting ---------------------------------------------------------------------------
 */

struct deed {
	const char *done; /* "released" */
	bool (*act)(const struct held_act *act, const Postern__Mail *held,
		struct fault *fault);
	bool wants_active_app; /* else it would only be held again */
	bool wants_yes;        /* where a condition chooses the mails */
};

static bool check_app(
	struct command *command, const Postern__Mail *mail, struct fault *fault)
{
	const struct registry *registry = session_registry(command->session, fault);
	if (!registry)
		return false;
	const Postern__App *app = registry_app(registry, slice_of(mail->app));
	if (!app)
		return fault_permanent(fault,
			"its app \"%s\" is gone, so it would be held again", mail->app);
	if (app->state != POSTERN__APP_STATE__APP_ACTIVE)
		return fault_permanent(fault,
			"its app \"%s\" is not active, so it would be held again; first "
			"`posternctl app resume %s`",
			mail->app, mail->app);
	return true;
}

static bool act_on(struct command *command, const struct deed *deed, const char *key)
{
	const char *why = command_option(command, "why");
	struct arena *arena = arena_new();
	struct fault fault = { 0 };
	struct held_act act = { command->session, arena, why ? why : "" };
	const Postern__Mail *mail = held_read(command->session, arena, key, &fault);
	bool is_good = mail &&
		       (!deed->wants_active_app || check_app(command, mail, &fault)) &&
		       deed->act(&act, mail, &fault);
	if (is_good)
		fprintf(command->out, "%s %s\n", key, deed->done);
	else
		command_failed(command, "%s: %s", key, fault.text);
	fflush(command->out);
	arena_free(arena);
	return is_good;
}

/* The words, or what the conditions find. */
static enum status choose(struct command *command, struct held_list *ret_list)
{
	bool has_where = command_option(command, "where");
	if (has_where == (command->word_count > 0))
		return command_misused(
			command, "say which: ids, or --where with " FILTER_HELP);
	if (has_where)
		return survey(command, ret_list);
	ret_list->list = ARENA_ARRAY(command->arena, struct held *, command->word_count);
	for (size_t i = 0; i < command->word_count; i++) {
		struct held *held = ARENA_NEW(command->arena, struct held);
		held->key = command->words[i];
		ret_list->list[ret_list->count++] = held;
	}
	return command_session(command) ? STATUS_DONE : STATUS_FAILED;
}

static enum status do_deed(struct command *command, const struct deed *deed)
{
	struct held_list chosen = { 0 };
	enum status status = choose(command, &chosen);
	if (status != STATUS_DONE)
		return status;
	if (!chosen.count)
		fputs("none\n", command->errors);
	if (deed->wants_yes && !command->word_count && !command_option(command, "yes") &&
		chosen.count) {
		fprintf(command->out, "%zu would be %s; --yes does it\n", chosen.count,
			deed->done);
		return STATUS_FAILED;
	}
	for (size_t i = 0; i < chosen.count; i++)
		if (!act_on(command, deed, chosen.list[i]->key))
			status = STATUS_FAILED;
	return status;
}

static enum status release(struct command *command)
{
	static const struct deed deed = { "released", held_release,
		.wants_active_app = true };
	return do_deed(command, &deed);
}

static enum status rescan(struct command *command)
{
	static const struct deed deed = { "sent to the scanner", held_rescan,
		.wants_active_app = true };
	return do_deed(command, &deed);
}

static enum status discard(struct command *command)
{
	static const struct deed deed = { "discarded", held_discard, .wants_yes = true };
	return do_deed(command, &deed);
}

#define WHERE_OPTION                                                    \
	{                                                               \
		"where", 0, "CONDITION", "instead of ids: " FILTER_HELP \
	}
#define WHY_OPTION                                                     \
	{                                                              \
		"why", 0, "TEXT", "for people; it stands in the trace" \
	}

static const struct option list_options[] = {
	{ "app", 0, "NAME", "only of this app" },
	{ "since", 0, "WHEN", "only what was held since " MOMENT_FORM " ago" },
	{ "where", 0, "CONDITION", FILTER_HELP },
	{ "json", 0, NULL, "one a line" },
	{ 0 },
};
static const struct option show_options[] = {
	{ "raw", 0, NULL, "the bytes of the message, to a file or a pipe" },
	{ 0 },
};
static const struct option act_options[] = { WHERE_OPTION, WHY_OPTION, { 0 } };
static const struct option discard_options[] = {
	WHERE_OPTION,
	WHY_OPTION,
	{ "yes", 0, NULL, "with --where: do it" },
	{ 0 },
};

#define IDS_MOST 100000

static const struct action actions[] = {
	{ "list", "", 0, 0, "what is held, oldest first", list_options, list },
	{ "show", "ID", 1, 1, "why a message is held; evidence is masked", show_options,
		show },
	{ "release", "[ID…]", 0, IDS_MOST, "let it go on in spite of its verdict",
		act_options, release },
	{ "rescan", "[ID…]", 0, IDS_MOST, "have it judged anew, by today's policy",
		act_options, rescan },
	{ "discard", "[ID…]", 0, IDS_MOST, "throw it away, which is final",
		discard_options, discard },
};

const struct verb quarantine_verb = {
	.name = "quarantine",
	.summary = "look at held messages; release, rescan or discard them",
	.help = "    posternctl quarantine list --app shop --since 1d\n"
		"    posternctl quarantine release ID --why \"the customer asked for it\"\n"
		"    posternctl quarantine release --where app=shop,to=*@customer.example\n"
		"    posternctl quarantine show ID --raw > held.eml\n\n"
		"A message that was let go and held anew is listed as ID/2. Each command "
		"touches\n"
		"only the hold that it names; a plain ID means the oldest one.\n\n"
		"Doing it twice is harmless while the delivery record knows who has the "
		"message:\n"
		"nobody gets it a second time. The record forgets after "
		"POSTERN_SENDER_RECORD_KEEP;\n"
		"on Kafka there is none unless POSTERN_SENDER_RECORD names a Redis.\n",
	ACTIONS(actions),
};
