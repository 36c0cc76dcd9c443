/* SPDX-License-Identifier: MIT */
#include "services/sender/offers.h"

#include <string.h>

#include "services/sender/client.h"

#define ADDRESS_MAX   320 /* RFC 5321 4.5.3.1: local part 64, domain 255 */
#define PARAMETER_MAX 500 /* RFC 3461 4.2 for ORCPT; the longest there is */

static void read_size(struct offers *offers, struct slice value)
{
	uint64_t size = 0;
	offers->size = true;
	for (size_t i = 0; i < value.size; i++) {
		char byte = value.data[i];
		if (byte < '0' || byte > '9' || size > UINT64_MAX / 10 - 1)
			return;
		size = size * 10 + (uint64_t)(byte - '0');
	}
	offers->size_max = size;
}

static void read_keyword(struct offers *offers, struct slice line)
{
	const struct {
		struct slice keyword;
		bool *ret_offered;
	} rows[] = {
		{ SLICE("STARTTLS"), &offers->starttls },
		{ SLICE("PIPELINING"), &offers->pipelining },
		{ SLICE("8BITMIME"), &offers->eightbitmime },
		{ SLICE("SMTPUTF8"), &offers->smtputf8 },
		{ SLICE("DSN"), &offers->dsn },
	};
	struct slice rest = slice_trim(line), keyword;
	if (!slice_split(&rest, ' ', &keyword))
		return;
	if (slice_equal_nocase(keyword, SLICE("SIZE")))
		read_size(offers, slice_trim(rest));
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (slice_equal_nocase(keyword, rows[i].keyword))
			*rows[i].ret_offered = true;
}

void offers_read(struct offers *offers, struct slice lines)
{
	*offers = (struct offers){ 0 };
	struct slice line;
	slice_split(&lines, '\n', &line);
	while (slice_split(&lines, '\n', &line))
		read_keyword(offers, line);
}

static bool is_ascii(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text >= 0x80)
			return false;
	return true;
}

/* What would end the command or the path early, or is no text, never goes out. A quoted
 * local part may hold spaces and angle brackets (RFC 5321 4.1.2). */
static bool is_address(const char *address)
{
	bool is_quoted = false;
	size_t length = strlen(address);
	if (length > ADDRESS_MAX)
		return false;
	for (const char *c = address; *c; c++) {
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return false;
		if (*c == '\\' && is_quoted) {
			if (!*++c || (unsigned char)*c < 0x20 || *c == 0x7f)
				return false;
		} else if (*c == '"') {
			is_quoted = !is_quoted;
		} else if (!is_quoted && strchr(" <>\\", *c)) {
			return false;
		}
	}
	return !is_quoted;
}

/* esmtp-value of RFC 5321 4.1.2. */
static bool is_parameter(const char *value)
{
	size_t length = strlen(value);
	if (length == 0 || length > PARAMETER_MAX)
		return false;
	for (; *value; value++)
		if (*value <= ' ' || *value >= 0x7f || *value == '=')
			return false;
	return true;
}

bool offers_suit_mail(const struct offers *offers, const struct client_mail *mail,
	struct reply *ret_why)
{
	if (!is_address(mail->from))
		reply_set(ret_why, 553, "5.1.7", "the sender's address can't be sent");
	else if (offers->size && offers->size_max && mail->size_bytes > offers->size_max)
		reply_set(ret_why, 552, "5.3.4",
			"the message has %zu bytes, the server takes %llu",
			mail->size_bytes, (unsigned long long)offers->size_max);
	else if (mail->needs_8bit && !offers->eightbitmime)
		reply_set(ret_why, 554, "5.6.3",
			"the content is 8-bit and the server does not offer 8BITMIME; a "
			"signed message is not converted");
	else if ((mail->needs_smtputf8 || !is_ascii(mail->from)) && !offers->smtputf8)
		reply_set(ret_why, 553, "5.6.7",
			"the message needs SMTPUTF8, which the server does not offer");
	else
		return true;
	return false;
}

bool offers_suit_recipient(const struct offers *offers,
	const struct client_recipient *recipient, struct reply *ret_why)
{
	if (!*recipient->address || !is_address(recipient->address))
		reply_set(ret_why, 553, "5.1.3", "the recipient's address can't be sent");
	else if (!is_ascii(recipient->address) && !offers->smtputf8)
		reply_set(ret_why, 553, "5.6.7",
			"the address needs SMTPUTF8, which the server does not offer");
	else
		return true;
	return false;
}

static bool write_parameter(struct buffer *out, const char *name, const char *value)
{
	return !is_parameter(value) || buffer_printf(out, " %s=%s", name, value);
}

bool offers_write_mail(
	const struct offers *offers, const struct client_mail *mail, struct buffer *out)
{
	if (!buffer_printf(out, "MAIL FROM:<%s>", mail->from))
		return false;
	if (offers->size && !buffer_printf(out, " SIZE=%zu", mail->size_bytes))
		return false;
	if (mail->needs_8bit && !buffer_append(out, SLICE(" BODY=8BITMIME")))
		return false;
	/* RFC 6531 3.4: only where something needs it, so that mail which doesn't can
	 * pass through servers that lack it. Recipients may need it too. */
	bool needs_smtputf8 = mail->needs_smtputf8 || !is_ascii(mail->from);
	for (size_t i = 0; i < mail->recipient_count; i++)
		needs_smtputf8 |= mail->recipients[i].outcome == CLIENT_PENDING &&
				  !is_ascii(mail->recipients[i].address);
	if (needs_smtputf8 && !buffer_append(out, SLICE(" SMTPUTF8")))
		return false;
	if (offers->dsn && (!write_parameter(out, "RET", mail->ret) ||
				   !write_parameter(out, "ENVID", mail->envid)))
		return false;
	return buffer_append(out, SLICE("\r\n"));
}

bool offers_write_rcpt(const struct offers *offers,
	const struct client_recipient *recipient, struct buffer *out)
{
	if (!buffer_printf(out, "RCPT TO:<%s>", recipient->address))
		return false;
	if (offers->dsn && (!write_parameter(out, "NOTIFY", recipient->notify) ||
				   !write_parameter(out, "ORCPT", recipient->orcpt)))
		return false;
	return buffer_append(out, SLICE("\r\n"));
}
