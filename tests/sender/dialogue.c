/* SPDX-License-Identifier: MIT */
#include "tests/sender/dialogue.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/arena.h"
#include "lib/buffer.h"
#include "services/sender/client.h"

#define RECIPIENTS 128
#define PARTS      512

struct dialogue {
	const char *path;
	int line;
	size_t step;
	struct arena *arena;
	struct client_options options;
	struct client *client;
	struct client_mail mail;
	struct client_recipient recipients[RECIPIENTS];
	struct slice parts[PARTS];
	struct buffer said;  /* by the client, not yet matched */
	struct buffer heard; /* of the server, not yet fed */
};

#define EXPECT(dialogue, is_true, ...)                                                  \
	do {                                                                            \
		if (!(is_true)) {                                                       \
			char told[2048];                                                \
			snprintf(told, sizeof(told), __VA_ARGS__);                      \
			ck_abort_msg(                                                   \
				"%s:%d: %s", (dialogue)->path, (dialogue)->line, told); \
		}                                                                       \
	} while (0)

static struct client *client_of(struct dialogue *dialogue)
{
	if (!dialogue->client)
		dialogue->client = client_new(&dialogue->options);
	return dialogue->client;
}

/* Takes all output, in odd portions if the server's bytes come in such. */
static void listen(struct dialogue *dialogue)
{
	struct client *client = client_of(dialogue);
	struct iovec pieces[7];
	size_t count;
	while ((count = client_output(client, pieces, 7)) > 0) {
		size_t most = dialogue->step < 100 ? 3 : (size_t)1 << 20, sent = 0;
		for (size_t i = 0; i < count && sent < most; i++) {
			struct slice piece = { pieces[i].iov_base, pieces[i].iov_len };
			piece = slice_head(piece, most - sent);
			ck_assert(piece.size > 0);
			ck_assert(buffer_append(&dialogue->said, piece));
			sent += piece.size;
		}
		client_sent(client, sent);
	}
}

static void feed(struct dialogue *dialogue)
{
	listen(dialogue);
	struct slice rest = buffer_slice(&dialogue->heard);
	while (rest.size) {
		struct slice bytes = slice_head(rest, dialogue->step);
		size_t given = bytes.size;
		enum client_wish wish = client_feed(client_of(dialogue), &bytes);
		rest = slice_skip(rest, given - bytes.size);
		if (bytes.size) {
			EXPECT(dialogue, wish == CLIENT_TLS || wish == CLIENT_CLOSE,
				"the client left bytes and wishes for %d", wish);
			break;
		}
	}
	buffer_clear(&dialogue->heard);
	listen(dialogue);
}

static char *unescape(struct arena *arena, const char *text)
{
	char *copy = arena_alloc(arena, strlen(text) + 1), *to = copy;
	for (; *text; text++) {
		if (*text != '\\') {
			*to++ = *text;
			continue;
		}
		text++;
		if (*text == 'x') {
			*to++ = (char)strtol((char[]){ text[1], text[2], 0 }, NULL, 16);
			text += 2;
		} else {
			*to++ = *text == 'r'   ? '\r'
				: *text == 'n' ? '\n'
				: *text == 't' ? '\t'
					       : *text;
		}
	}
	*to = '\0';
	return copy;
}

static void expect_said(struct dialogue *dialogue, const char *text)
{
	struct slice wanted = slice_of(arena_printf(dialogue->arena, "%s\r\n", text));
	struct slice said = slice_head(buffer_slice(&dialogue->said), wanted.size);
	EXPECT(dialogue, slice_equal(said, wanted), "the client said \"%.*s\"",
		SLICE_ARG(buffer_slice(&dialogue->said)));
	buffer_consume(&dialogue->said, wanted.size);
}

static void add_part(struct dialogue *dialogue, struct slice part)
{
	struct client_mail *mail = &dialogue->mail;
	ck_assert_uint_lt(mail->part_count, PARTS);
	dialogue->parts[mail->part_count++] = part;
	mail->size_bytes += part.size;
}

static void begin_mail(struct dialogue *dialogue, char *from)
{
	dialogue->mail = (struct client_mail){ .from = from,
		.envid = "",
		.ret = "",
		.parts = dialogue->parts,
		.recipients = dialogue->recipients };
}

static char *word(char **rest)
{
	char *found = strsep(rest, " ");
	return found ? found : "";
}

static bool set_message(struct dialogue *dialogue, const char *verb, char *rest)
{
	struct client_mail *mail = &dialogue->mail;
	if (strcmp(verb, "from") == 0)
		begin_mail(dialogue, rest);
	else if (strcmp(verb, "to") == 0) {
		ck_assert_uint_lt(mail->recipient_count, RECIPIENTS);
		struct client_recipient *recipient =
			&mail->recipients[mail->recipient_count++];
		*recipient = (struct client_recipient){ .address = word(&rest) };
		recipient->notify = word(&rest);
		recipient->orcpt = word(&rest);
	} else if (strcmp(verb, "envid") == 0)
		mail->envid = rest;
	else if (strcmp(verb, "ret") == 0)
		mail->ret = rest;
	else if (strcmp(verb, "8bit") == 0)
		mail->needs_8bit = true;
	else if (strcmp(verb, "smtputf8") == 0)
		mail->needs_smtputf8 = true;
	else if (strcmp(verb, "header") == 0 || strcmp(verb, "body") == 0)
		add_part(dialogue,
			slice_of(arena_printf(dialogue->arena, "%s\r\n", rest)));
	else if (strcmp(verb, "raw") == 0)
		add_part(dialogue, slice_of(rest));
	else
		return false;
	return true;
}

static bool call(struct dialogue *dialogue, const char *verb, char *rest)
{
	if (strcmp(verb, "deliver") == 0)
		client_deliver(client_of(dialogue), &dialogue->mail);
	else if (strcmp(verb, "quit") == 0)
		client_quit(client_of(dialogue));
	else if (strcmp(verb, "encrypt") == 0)
		client_tls_ready(client_of(dialogue));
	else if (strcmp(verb, "lose") == 0)
		client_lost(client_of(dialogue), "4.4.2", rest);
	else
		return false;
	listen(dialogue);
	return true;
}

static void expect_outcome(struct dialogue *dialogue, char *rest)
{
	static const char *const names[] = { "pending", "accepted", "delivered",
		"deferred", "bounced", "uncertain", "untried" };
	const char *address = word(&rest), *outcome = word(&rest);
	const char *code = word(&rest), *enhanced = word(&rest);
	for (size_t i = 0; i < dialogue->mail.recipient_count; i++) {
		const struct client_recipient *r = &dialogue->recipients[i];
		if (strcmp(r->address, address) != 0)
			continue;
		EXPECT(dialogue, strcmp(names[r->outcome], outcome) == 0,
			"%s is %s: %u %s %s", address, names[r->outcome], r->reply.code,
			r->reply.enhanced, r->reply.text);
		EXPECT(dialogue, !*code || strtoul(code, NULL, 10) == r->reply.code,
			"reply %u", r->reply.code);
		EXPECT(dialogue, !*enhanced || strcmp(enhanced, r->reply.enhanced) == 0,
			"enhanced code \"%s\"", r->reply.enhanced);
		return;
	}
	EXPECT(dialogue, false, "no recipient %s", address);
}

static void expect_wish(struct dialogue *dialogue, const char *name)
{
	static const char *const names[] = { "input", "tls", "idle", "close" };
	enum client_wish wish = client_wish(client_of(dialogue));
	EXPECT(dialogue, strcmp(names[wish], name) == 0, "the client wishes for %s",
		names[wish]);
}

static void expect_failure(struct dialogue *dialogue, char *rest)
{
	const struct reply *failure = client_failure(client_of(dialogue));
	EXPECT(dialogue, failure, "no failure");
	const char *code = word(&rest), *enhanced = word(&rest);
	EXPECT(dialogue,
		strtoul(code, NULL, 10) == failure->code &&
			strcmp(enhanced, failure->enhanced) == 0,
		"failure %u %s %s", failure->code, failure->enhanced, failure->text);
}

static void expect(struct dialogue *dialogue, const char *verb, char *rest)
{
	if (strcmp(verb, "wish") == 0)
		expect_wish(dialogue, rest);
	else if (strcmp(verb, "outcome") == 0)
		expect_outcome(dialogue, rest);
	else if (strcmp(verb, "failure") == 0)
		expect_failure(dialogue, rest);
	else if (strcmp(verb, "no") == 0)
		EXPECT(dialogue, !client_failure(client_of(dialogue)), "a failure");
	else
		EXPECT(dialogue, false, "what is \"%s\"?", verb);
}

static void statement(struct dialogue *dialogue, char *line)
{
	char *rest = line;
	const char *verb = word(&rest);
	rest = unescape(dialogue->arena, rest ? rest : "");
	if (strcmp(verb, "S:") == 0 || strcmp(verb, "s:") == 0) {
		ck_assert(buffer_append(&dialogue->heard, slice_of(rest)));
		if (*verb == 'S')
			ck_assert(buffer_append(&dialogue->heard, SLICE("\r\n")));
		return;
	}
	if (strcmp(verb, "tls") == 0) {
		dialogue->options.may_use_tls = true;
		dialogue->options.must_use_tls = strcmp(rest, "must") == 0;
		return;
	}
	feed(dialogue);
	if (strcmp(verb, "C:") == 0)
		expect_said(dialogue, rest);
	else if (!set_message(dialogue, verb, rest) && !call(dialogue, verb, rest))
		expect(dialogue, verb, rest);
}

void dialogue_play(const char *path, size_t step)
{
	struct dialogue dialogue = { .path = path, .step = step, .arena = arena_new() };
	dialogue.options.helo = "mta.example";
	buffer_init(&dialogue.said, 1 << 20);
	buffer_init(&dialogue.heard, 1 << 20);
	FILE *file = fopen(path, "re");
	ck_assert_msg(file != NULL, "%s: %m", path);
	char line[4096];
	while (fgets(line, sizeof(line), file)) {
		dialogue.line++;
		line[strcspn(line, "\n")] = '\0';
		if (*line && *line != '#')
			statement(
				&dialogue, arena_string(dialogue.arena, slice_of(line)));
	}
	fclose(file);
	feed(&dialogue);
	EXPECT(&dialogue, buffer_size(&dialogue.said) == 0,
		"at the end the client also said \"%.*s\"",
		SLICE_ARG(buffer_slice(&dialogue.said)));
	client_free(dialogue.client);
	buffer_done(&dialogue.said);
	buffer_done(&dialogue.heard);
	arena_free(dialogue.arena);
}
