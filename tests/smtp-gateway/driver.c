/* SPDX-License-Identifier: MIT */
#include "tests/smtp-gateway/driver.h"

#include <assert.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "lib/mail.h"
#include "services/smtp-gateway/login.h"

static int64_t now_us(void *with)
{
	struct driver *driver = with;
	return driver->now_us;
}

static const Postern__App *find_app(
	void *with, struct slice app, struct slice credential, struct fault *why)
{
	struct driver *driver = with;
	const struct login login = { app, credential, "192.0.2.7" };
	return login_app(driver->registry, &login, driver->now_us, why);
}

static bool is_open(void *with, struct fault *why)
{
	struct driver *driver = with;
	return !driver->is_down || fault_temporary(why, "the bus is down");
}

static bool may_spend(
	void *with, const Postern__App *app, size_t bytes, bool charge, struct fault *why)
{
	struct driver *driver = with;
	return meters_spend(driver->meters, app, bytes, charge, driver->now_us, why);
}

static bool hold(void *with, size_t before, size_t after)
{
	struct driver *driver = with;
	assert(driver->held_bytes >= before);
	size_t held = driver->held_bytes - before + after;
	if (after > before && held > driver->held_ceiling)
		return false;
	driver->held_bytes = held;
	return true;
}

static void refused(void *with, const char *code, const char *enhanced, const char *text)
{
	struct driver *driver = with;
	assert(code[0] == '4' || code[0] == '5');
	assert(enhanced[0] == code[0] && text[0]);
	driver->refused++;
}

static void tell(struct driver *driver, Postern__Object *object)
{
	object->version = RECORD_VERSION;
	registry_change(driver->registry, object_key(driver->arena, object),
		record_encode(driver->arena, &object->base));
}

void driver_tell_app(struct driver *driver)
{
	Postern__Object object = POSTERN__OBJECT__INIT;
	object.kind_case = POSTERN__OBJECT__KIND_APP;
	object.app = &driver->app;
	tell(driver, &object);
}

static void tell_credential(struct driver *driver)
{
	unsigned char salt[16] = "0123456789abcde", hash[32];
	Postern__Object object = POSTERN__OBJECT__INIT;
	Postern__Credential credential = POSTERN__CREDENTIAL__INIT;
	HMAC(EVP_sha256(), salt, sizeof(salt), (const unsigned char *)"secret", 6, hash,
		NULL);
	credential.app = (char *)"shop";
	credential.name = (char *)"main";
	credential.salt = (ProtobufCBinaryData){ sizeof(salt), salt };
	credential.hash = (ProtobufCBinaryData){ sizeof(hash), hash };
	object.kind_case = POSTERN__OBJECT__KIND_CREDENTIAL;
	object.credential = &credential;
	tell(driver, &object);
}

static void fill_app(struct driver *driver)
{
	Postern__SenderPair *pair = ARENA_NEW(driver->arena, Postern__SenderPair);
	postern__sender_pair__init(pair);
	pair->envelope = (char *)"bounces@shop.example";
	pair->header = (char *)"*@shop.example";
	postern__app__init(&driver->app);
	postern__limits__init(&driver->limits);
	driver->pairs[0] = pair;
	driver->app.name = (char *)"shop";
	driver->app.senders = driver->pairs;
	driver->app.n_senders = 1;
	driver->app.limits = &driver->limits;
}

void driver_init(struct driver *driver, bool is_in_tls)
{
	*driver = (struct driver){ .held_ceiling = 64 << 20 };
	driver->arena = arena_new();
	driver->registry = registry_new(&driver->log);
	driver->meters = meters_new();
	driver->now_us = INT64_C(1700000000000000);
	buffer_init(&driver->input, 64 << 20);
	buffer_init(&driver->output, 1 << 20);
	buffer_init(&driver->dump, 64 << 20);
	driver->world = (struct session_world){
		.hostname = "mx.postern.example",
		.instance = "test",
		.limits = { .message_bytes = 100000,
			.header_bytes = 16384,
			.header_fields = 200,
			.received = 30,
			.recipients = 100,
			.commands = 1000,
			.bad_commands = 5,
			.auth_failures = 3 },
		.now_us = now_us,
		.app = find_app,
		.is_open = is_open,
		.may_spend = may_spend,
		.hold = hold,
		.refused = refused,
	};
	fill_app(driver);
	driver_tell_app(driver);
	tell_credential(driver);
	driver->session = session_new(&driver->world, driver, "192.0.2.7");
	if (is_in_tls)
		session_tls_ready(driver->session, "TLSv1.3", "TEST_CIPHER");
}

void driver_done(struct driver *driver)
{
	session_free(driver->session);
	assert(driver->held_bytes == 0);
	registry_close(driver->registry);
	meters_free(driver->meters);
	buffer_done(&driver->input);
	buffer_done(&driver->output);
	buffer_done(&driver->dump);
	arena_free(driver->arena);
}

static void dump_lines(struct buffer *dump, const char *what, struct slice text)
{
	struct slice line;
	while (slice_split(&text, '\n', &line))
		if (line.size)
			buffer_printf(dump, "%s %.*s\n", what,
				(int)line.size - (line.data[line.size - 1] == '\r'),
				line.data);
}

static void dump_envelope(struct buffer *dump, const Postern__Envelope *envelope)
{
	buffer_printf(dump, "from <%s>%s%s ret=%s envid=%s\n", envelope->from,
		envelope->body_8bit ? " 8bit" : "", envelope->smtputf8 ? " utf8" : "",
		envelope->ret, envelope->envid);
	for (size_t i = 0; i < envelope->n_recipients; i++)
		buffer_printf(dump, "to <%s> notify=%s orcpt=%s\n",
			envelope->recipients[i]->address, envelope->recipients[i]->notify,
			envelope->recipients[i]->orcpt);
}

static void dump_mail(struct driver *driver, const Postern__Mail *mail)
{
	struct buffer *dump = &driver->dump;
	const Postern__Submission *by = mail->submission;
	buffer_clear(dump);
	dump_envelope(dump, mail->envelope);
	buffer_printf(dump, "lane=%s pool=%s policy=%s\n",
		mail->lane == 2 ? "normal" : "", mail->pool, mail->policy);
	buffer_printf(dump, "by %s %s %s %s %s\n", mail->app, by->credential,
		by->client_address, by->helo, by->tls_version);
	buffer_printf(
		dump, "header_from=%s\nsubject=%s\n", mail->header_from, mail->subject);
	for (size_t i = 0; i < mail->n_headers; i++)
		dump_lines(dump, "added",
			(struct slice){
				(char *)mail->headers[i].data, mail->headers[i].len });
	dump_lines(dump, "content",
		(struct slice){ (char *)mail->content.data, mail->content.len });
}

/* What the record must be whatever was sent. */
static void check_mail(struct driver *driver, const Postern__Mail *mail)
{
	struct fault fault = { 0 };
	unsigned char hash[32];
	const ProtobufCBinaryData *content = &mail->content;
	assert(mail_decode(
		driver->arena, record_encode(driver->arena, &mail->base), &fault));
	assert(event_decode(driver->arena,
		record_encode(driver->arena, &session_event(driver->arena, mail)->base),
		&fault));
	assert(content->len >= 2 &&
		memcmp(content->data + content->len - 2, "\r\n", 2) == 0);
	assert(!memchr(content->data, '\0', content->len));
	EVP_Digest(content->data, content->len, hash, NULL, EVP_sha256(), NULL);
	assert(mail->content_sha256.len == 32);
	assert(memcmp(mail->content_sha256.data, hash, 32) == 0);
}

static void store(struct driver *driver)
{
	struct id id = { "0189a3f0-0000-7000-8000-000000000000" };
	struct fault fault = { driver->store, "no room" };
	const Postern__Mail *mail = session_mail(driver->session, driver->arena, id);
	check_mail(driver, mail);
	dump_mail(driver, mail);
	driver->stored += !driver->store;
	session_stored(driver->session, id.text, driver->store ? &fault : NULL);
}

static void authenticate(struct driver *driver)
{
	struct fault why = { 0 };
	const Postern__Credential *credential = login_check(driver->registry,
		session_offer(driver->session), "192.0.2.7", driver->now_us, &why);
	session_authenticated(
		driver->session, credential ? credential->name : NULL, &why);
}

/* False: only input helps. */
static bool grant(struct driver *driver, enum session_wish wish)
{
	switch (wish) {
	case WISH_TLS:
		/* What came in the clear never reaches the session. */
		buffer_clear(&driver->input);
		session_tls_ready(driver->session, "TLSv1.3", "TEST_CIPHER");
		return true;
	case WISH_AUTH:
		authenticate(driver);
		return true;
	case WISH_STORE:
		store(driver);
		return true;
	case WISH_CLOSE:
		driver->is_closed = true;
		buffer_clear(&driver->input);
		return false;
	case WISH_INPUT:
	default:
		return false;
	}
}

void driver_pump(struct driver *driver)
{
	bool goes_on = true;
	while (goes_on) {
		struct slice bytes = buffer_slice(&driver->input);
		enum session_wish wish = session_feed(driver->session, &bytes);
		size_t used = buffer_size(&driver->input) - bytes.size;
		struct slice output = session_output(driver->session);
		goes_on = used > 0 || output.size > 0;
		buffer_consume(&driver->input, used);
		buffer_append(&driver->output, output);
		session_sent(driver->session, output.size);
		goes_on = grant(driver, wish) || (goes_on && !driver->is_closed);
	}
}

void driver_feed(struct driver *driver, struct slice bytes)
{
	if (driver->is_closed)
		return;
	buffer_append(&driver->input, bytes);
	driver_pump(driver);
}
