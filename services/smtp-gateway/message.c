/* SPDX-License-Identifier: MIT */
#include "services/smtp-gateway/message.h"

#include <string.h>

#include "lib/encoded_word.h"
#include "lib/header.h"
#include "lib/memory.h"
#include "lib/utf8.h"
#include "services/smtp-gateway/sender.h"

enum {
	FIELD_ONCE = 1, /* RFC 5322 3.6; a reader chooses one of two, a scanner the
			   other */
	FIELD_REMOVED = 2,
	FIELD_SENDER = 4, /* shown by some readers as who it is from */
	FIELD_FROM = 8,
	FIELD_SUBJECT = 16,
	FIELD_DATE = 32,
	FIELD_ID = 64,
	FIELD_RECEIVED = 128,
	FIELD_RESULTS = 256,
};

static const struct known {
	const char *name;
	unsigned what;
} known_fields[] = {
	{ "From", FIELD_ONCE | FIELD_FROM },
	{ "Sender", FIELD_ONCE | FIELD_SENDER },
	{ "Resent-From", FIELD_SENDER },
	{ "Resent-Sender", FIELD_SENDER },
	{ "Reply-To", FIELD_ONCE },
	{ "To", FIELD_ONCE },
	{ "Cc", FIELD_ONCE },
	{ "Bcc", FIELD_REMOVED },
	{ "Resent-Bcc", FIELD_REMOVED },
	{ "Return-Path", FIELD_REMOVED },
	{ "Date", FIELD_ONCE | FIELD_DATE },
	{ "Message-ID", FIELD_ONCE | FIELD_ID },
	{ "Subject", FIELD_ONCE | FIELD_SUBJECT },
	{ "MIME-Version", FIELD_ONCE },
	{ "Content-Type", FIELD_ONCE },
	{ "Content-Transfer-Encoding", FIELD_ONCE },
	{ "Content-Disposition", FIELD_ONCE },
	{ "Received", FIELD_RECEIVED },
	{ "Authentication-Results", FIELD_RESULTS },
};
#define KNOWN_COUNT (sizeof(known_fields) / sizeof(*known_fields))

struct range {
	size_t from, size;
};

struct check {
	struct arena *arena;
	const struct message_rules *rules;
	struct message *message;
	struct refusal *refusal;
	const char *bytes;
	struct range *removed; /* in order */
	size_t removed_count;
	unsigned fields, received;
	unsigned seen[KNOWN_COUNT];
};

static bool contains_nocase(struct slice text, struct slice part)
{
	for (; text.size >= part.size; text = slice_skip(text, 1))
		if (slice_has_prefix_nocase(text, part))
			return true;
	return false;
}

static void remove_field(struct check *check, const struct header_field *field)
{
	check->removed[check->removed_count++] = (struct range){
		(size_t)(field->whole.data - check->bytes), field->whole.size
	};
}

static bool refuse_sender(
	struct check *check, const char *name, const struct address *address)
{
	return refuse(check->refusal, "550", "5.7.1",
		"This app may not use <%.*s> in %s with the envelope sender <%.*s>",
		SLICE_ARG(address->whole), name,
		SLICE_ARG(check->rules->envelope_from->whole));
}

/* From, and what else some readers show: Sender ("on behalf of"), Resent-From. */
static bool check_sender(struct check *check, const struct known *known,
	const struct header_field *field, struct mailbox *ret_mailbox)
{
	const struct message_rules *rules = check->rules;
	struct fault fault = { 0 };
	if (!mailbox_parse(check->arena, field->value, ret_mailbox, &fault))
		return refuse(check->refusal, "550", "5.6.0", "%s: %s", known->name,
			fault.text);
	if (ret_mailbox->address.is_utf8 && !rules->smtputf8)
		return refuse(check->refusal, "550", "5.6.7",
			"%s has an address that needs SMTPUTF8", known->name);
	if (!sender_may_use(rules->app, rules->envelope_from, &ret_mailbox->address))
		return refuse_sender(check, known->name, &ret_mailbox->address);
	const struct address *shown = &ret_mailbox->shown;
	if (shown->whole.size && !sender_may_use(rules->app, rules->envelope_from, shown))
		return refuse(check->refusal, "550", "5.7.1",
			"The display name in %s shows <%.*s>, which this app may not use",
			known->name, SLICE_ARG(shown->whole));
	return true;
}

static void read_subject(struct check *check, struct slice value)
{
	CLEANUP(buffer_done) struct buffer subject;
	buffer_init(&subject, MESSAGE_SUBJECT_MAX);
	encoded_words_decode(slice_trim(value), &subject);
	check->message->subject = arena_copy(check->arena, buffer_slice(&subject));
}

/* A Date or Message-ID without a value is none, and ours takes its place. */
static bool has_value(struct check *check, const struct header_field *field)
{
	bool has = slice_trim(field->value).size > 0;
	if (!has)
		remove_field(check, field);
	return has;
}

static bool check_known(
	struct check *check, const struct known *known, const struct header_field *field)
{
	struct mailbox mailbox;
	unsigned *seen = &check->seen[known - known_fields];
	if ((known->what & FIELD_ONCE) && (*seen)++)
		return refuse(check->refusal, "550", "5.6.0",
			"More than one %s field (RFC 5322 3.6)", known->name);
	if (known->what & FIELD_REMOVED)
		remove_field(check, field);
	if (known->what & FIELD_SENDER)
		return check_sender(check, known, field, &mailbox);
	if (known->what & FIELD_FROM)
		return check_sender(check, known, field, &check->message->from);
	if (known->what & FIELD_SUBJECT)
		read_subject(check, field->value);
	if (known->what & FIELD_DATE)
		check->message->has_date = has_value(check, field);
	if (known->what & FIELD_ID)
		check->message->has_message_id = has_value(check, field);
	/* RFC 8601 5: results in our name are ours only. */
	if ((known->what & FIELD_RESULTS) &&
		contains_nocase(field->value, slice_of(check->rules->hostname)))
		remove_field(check, field);
	if ((known->what & FIELD_RECEIVED) &&
		++check->received > check->rules->limits->received)
		return refuse(check->refusal, "554", "5.4.6",
			"More than %u Received fields: this looks like a loop",
			check->rules->limits->received);
	return true;
}

static bool check_field(struct check *check, const struct header_field *field)
{
	const struct session_limits *limits = check->rules->limits;
	size_t end = (size_t)(field->whole.data - check->bytes) + field->whole.size;
	if (++check->fields > limits->header_fields)
		return refuse(check->refusal, "550", "5.6.0",
			"More than %u header fields", limits->header_fields);
	if (end > limits->header_bytes)
		return refuse(check->refusal, "550", "5.6.0",
			"The header is larger than %zu bytes", limits->header_bytes);
	if (!utf8_is_valid(field->value))
		return refuse(check->refusal, "550", "5.6.0",
			"The field %.*s has 8-bit characters that are not UTF-8",
			SLICE_ARG(slice_head(field->name, 60)));
	if (slice_has_prefix_nocase(field->name, SLICE("X-Postern-")))
		remove_field(check, field);
	for (size_t i = 0; i < KNOWN_COUNT; i++)
		if (header_is(field, known_fields[i].name))
			return check_known(check, &known_fields[i], field);
	return true;
}

/* Moves what stays of the header up to `end`, where the rest begins; where it begins. */
static size_t squeeze(
	char *bytes, size_t end, const struct range *removed, size_t removed_count)
{
	size_t to = end, kept_end = end;
	for (size_t i = removed_count; i-- > 0;) {
		size_t kept = kept_end - (removed[i].from + removed[i].size);
		memmove(bytes + to - kept, bytes + kept_end - kept, kept);
		to -= kept;
		kept_end = removed[i].from;
	}
	memmove(bytes + to - kept_end, bytes, kept_end);
	return to - kept_end;
}

bool message_check(struct arena *arena, const struct message_rules *rules, char *bytes,
	size_t size, struct message *ret_message, struct refusal *refusal)
{
	struct check check = { arena, rules, ret_message, refusal, bytes };
	struct slice rest = { bytes, size };
	struct header_field field;
	struct fault fault = { 0 };
	enum header_step step;
	*ret_message = (struct message){ .is_8bit = !utf8_is_ascii(rest) };
	check.removed = ARENA_ARRAY(arena, struct range, rules->limits->header_fields);
	while ((step = header_next(&rest, &field, &fault)) == HEADER_FIELD)
		if (!check_field(&check, &field))
			return false;
	if (step == HEADER_BROKEN)
		return refuse(refusal, "550", "5.6.0", "Bad header: %s", fault.text);
	if (!ret_message->from.address.whole.size)
		return refuse(refusal, "550", "5.6.0", "No From field");
	size_t end = size - rest.size;
	size_t from = squeeze(bytes, end, check.removed, check.removed_count);
	ret_message->content = (struct slice){ bytes + from, size - from };
	return true;
}
