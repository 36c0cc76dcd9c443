/* SPDX-License-Identifier: MIT
 *
 * A session's transaction from DATA on: content, checks, the record to store. Part of
 * session.h and session_state.h. */
#include <openssl/evp.h>
#include <string.h>

#include "lib/mail.h"
#include "lib/memory.h"
#include "lib/utf8.h"
#include "services/smtp-gateway/session_state.h"
#include "services/smtp-gateway/trace.h"

/* A record of the bus may have 64 MiB (bus.h); envelope and headers come on top. */
#define MESSAGE_CEILING ((size_t)48 << 20)

void session_forget_transaction(struct session *session)
{
	struct transaction *transaction = session->transaction;
	const struct session_world *world = session->world;
	if (!transaction)
		return;
	session->transaction = NULL;
	world->hold(session->with, transaction->held_bytes, 0);
	content_done(&transaction->content);
	/* In its own arena. */
	arena_free(transaction->arena);
}

size_t session_message_limit(const struct session *session, const Postern__App *app)
{
	uint64_t of_app = app && app->limits ? app->limits->message_bytes : 0;
	if (of_app > MESSAGE_CEILING)
		of_app = MESSAGE_CEILING;
	return of_app ? (size_t)of_app : session->world->limits.message_bytes;
}

static void account(struct session *session)
{
	const struct session_world *world = session->world;
	struct transaction *transaction = session->transaction;
	size_t room = transaction->content.bytes.room;
	if (room == transaction->held_bytes)
		return;
	if (!world->hold(session->with, transaction->held_bytes, room)) {
		content_refuse(&transaction->content, CONTENT_NO_ROOM);
		room = 0;
		world->hold(session->with, transaction->held_bytes, 0);
	}
	transaction->held_bytes = room;
}

static void refuse_flaw(struct session *session, const struct content *content)
{
	switch (content->flaw) {
	case CONTENT_TOO_LARGE:
		session_reply(session, "552", "5.3.4",
			"The message is larger than %zu bytes", content->bytes.ceiling);
		break;
	case CONTENT_NO_ROOM:
		session_reply(session, "452", "4.3.1", "No memory for it now, try again");
		break;
	case CONTENT_LONG_LINE:
		session_reply(session, "550", "5.6.0",
			"A line is longer than %d bytes (RFC 5322 2.1.1)",
			CONTENT_LINE_MAX);
		break;
	case CONTENT_NUL:
		session_reply(session, "550", "5.6.0", "The message has a NUL byte");
		break;
	case CONTENT_BARE_CR:
	case CONTENT_BARE_LF:
	case CONTENT_SOUND:
	default:
		session_reply(session, "550", "5.6.0",
			"The message has a bare CR or LF; lines must end with CRLF");
		break;
	}
}

static bool check_message(
	struct session *session, const Postern__App *app, struct refusal *refusal)
{
	struct transaction *transaction = session->transaction;
	struct buffer *bytes = &transaction->content.bytes;
	const struct message_rules rules = {
		.app = app,
		.envelope_from = &transaction->from,
		.limits = &session->world->limits,
		.hostname = session->world->hostname,
		.smtputf8 = transaction->envelope->smtputf8,
	};
	if (buffer_size(bytes) == 0)
		return refuse(refusal, "550", "5.6.0", "The message is empty");
	return message_check(transaction->arena, &rules, bytes->data + bytes->from,
		buffer_size(bytes), &transaction->message, refusal);
}

static const char *or_default(struct arena *arena, const char *name)
{
	return *name ? arena_string(arena, slice_of(name)) : "default";
}

static void end_of_data(struct session *session)
{
	const struct session_world *world = session->world;
	struct transaction *transaction = session->transaction;
	struct refusal refusal;
	struct fault why = { 0 };
	if (transaction->content.flaw != CONTENT_SOUND) {
		refuse_flaw(session, &transaction->content);
		session_finish(session);
		return;
	}
	const Postern__App *app = session_app_now(session);
	if (!app)
		return;
	if (!check_message(session, app, &refusal)) {
		session_reply(
			session, refusal.code, refusal.enhanced, "%s", refusal.text);
		session_finish(session);
		return;
	}
	if (!world->may_spend(
		    session->with, app, transaction->message.content.size, true, &why)) {
		session_reply(session, "450", "4.7.1", "%s", why.text);
		session_finish(session);
		return;
	}
	transaction->lane = app->lane ? app->lane : POSTERN__LANE__LANE_NORMAL;
	transaction->pool = or_default(transaction->arena, app->pool);
	transaction->policy = or_default(transaction->arena, app->policy);
	transaction->received_us = world->now_us(session->with);
	session_enter(session, SESSION_STORING);
}

/* A client that goes on far past the limit is not waited for. */
static bool is_endless(const struct content *content)
{
	return content->seen / 4 > content->bytes.ceiling + 65536;
}

bool session_feed_data(struct session *session, struct slice *bytes)
{
	size_t before = bytes->size;
	struct content *content = &session->transaction->content;
	bool has_ended = content_feed(content, bytes);
	account(session);
	if (has_ended) {
		session->turn++;
		end_of_data(session);
	} else if (is_endless(content)) {
		session_end(session, "4.3.4", "Far more data than the size limit");
	}
	return has_ended || bytes->size < before;
}

static void set_content(Postern__Mail *mail, struct arena *arena, struct slice content)
{
	unsigned char *hash = arena_alloc(arena, EVP_MAX_MD_SIZE);
	unsigned hash_size = 0;
	EVP_Digest(content.data, content.size, hash, &hash_size, EVP_sha256(), NULL);
	mail->content = (ProtobufCBinaryData){ content.size, (uint8_t *)content.data };
	mail->content_sha256 = (ProtobufCBinaryData){ hash_size, hash };
}

static Postern__Submission *submission_of(
	const struct session *session, struct arena *arena)
{
	Postern__Submission *submission = ARENA_NEW(arena, Postern__Submission);
	postern__submission__init(submission);
	submission->received_us = session->transaction->received_us;
	submission->client_address = session->client_address;
	submission->helo = session->helo;
	submission->tls_version = session->tls_version;
	submission->tls_cipher = session->tls_cipher;
	submission->credential = session->credential;
	submission->gateway = (char *)session->world->instance;
	return submission;
}

static void add_headers(
	Postern__Mail *mail, struct arena *arena, const struct session *session)
{
	const struct message *message = &session->transaction->message;
	if (!message->has_date)
		mail_prepend(arena, mail,
			trace_date(arena, session->transaction->received_us));
	if (!message->has_message_id)
		mail_prepend(arena, mail,
			trace_message_id(arena, mail->id, message->from.address.domain));
	mail_prepend(arena, mail, trace_received(arena, mail, session->world->hostname));
}

Postern__Mail *session_mail(
	const struct session *session, struct arena *arena, struct id id)
{
	const struct transaction *transaction = session->transaction;
	const struct message *message = &transaction->message;
	Postern__Mail *mail = ARENA_NEW(arena, Postern__Mail);
	postern__mail__init(mail);
	mail->version = RECORD_VERSION;
	mail->id = arena_string(arena, slice_of(id.text));
	mail->app = session->app;
	mail->lane = transaction->lane;
	mail->pool = (char *)transaction->pool;
	mail->policy = (char *)transaction->policy;
	mail->envelope = transaction->envelope;
	mail->envelope->body_8bit = mail->envelope->body_8bit || message->is_8bit;
	mail->submission = submission_of(session, arena);
	mail->header_from = arena_string(arena, message->from.address.whole);
	mail->subject = arena_string(arena, message->subject);
	set_content(mail, arena, message->content);
	add_headers(mail, arena, session);
	return mail;
}

Postern__Event *session_event(struct arena *arena, const Postern__Mail *mail)
{
	Postern__Event *event = ARENA_NEW(arena, Postern__Event);
	Postern__Accepted *accepted = ARENA_NEW(arena, Postern__Accepted);
	size_t count = mail->envelope->n_recipients;
	postern__event__init(event);
	postern__accepted__init(accepted);
	event->version = RECORD_VERSION;
	event->message_id = mail->id;
	event->kind = POSTERN__EVENT_KIND__EVENT_ACCEPTED;
	event->started_us = event->time_us = mail->submission->received_us;
	event->service = (char *)"smtp-gateway";
	event->instance = mail->submission->gateway;
	event->app = mail->app;
	event->lane = mail->lane;
	event->pool = mail->pool;
	event->accepted = accepted;
	accepted->from = mail->envelope->from;
	accepted->n_recipients = count;
	accepted->recipients = ARENA_ARRAY(arena, char *, count);
	for (size_t i = 0; i < count; i++)
		accepted->recipients[i] = mail->envelope->recipients[i]->address;
	accepted->header_from = mail->header_from;
	accepted->subject = mail->subject;
	accepted->size_bytes = mail_size(mail);
	accepted->client_address = mail->submission->client_address;
	accepted->credential = mail->submission->credential;
	accepted->content_sha256 = mail->content_sha256;
	return event;
}

void session_stored(struct session *session, const char *id, const struct fault *fault)
{
	if (!fault) {
		session->commands = session->bad_commands = 0;
		session_reply(session, "250", "2.0.0", "Accepted as %s", id);
	} else if (fault->kind == FAULT_PERMANENT) {
		session_reply(session, "554", "5.3.0", "This message can't be stored");
	} else {
		session_reply(session, "451", "4.3.0", "Not stored, try again later");
	}
	session_finish(session);
}
