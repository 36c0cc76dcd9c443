/* SPDX-License-Identifier: MIT */
#include "services/smtp-gateway/trace.h"

#include <string.h>
#include <time.h>

#include "lib/address.h"

/* RFC 5322 3.3, whatever the locale. */
static const char *print_date(struct arena *arena, int64_t time_us)
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	time_t seconds = (time_t)(time_us / 1000000);
	struct tm utc;
	gmtime_r(&seconds, &utc);
	return arena_printf(arena, "%.3s, %d %.3s %d %02d:%02d:%02d +0000",
		days + (ptrdiff_t)3 * utc.tm_wday, utc.tm_mday,
		months + (ptrdiff_t)3 * utc.tm_mon, utc.tm_year + 1900, utc.tm_hour,
		utc.tm_min, utc.tm_sec);
}

/* RFC 3848 and RFC 6531 4.3. */
static const char *protocol_of(const Postern__Mail *mail)
{
	return mail->envelope->smtputf8 ? "UTF8SMTPSA" : "ESMTPSA";
}

/* The domain in A-labels; nothing where the local part is not ASCII: whatever is in the
 * header in UTF-8 needs a server with SMTPUTF8 (RFC 6531 3.7.3), and this is ours. */
static const char *recipient_clause(struct arena *arena, const char *recipient)
{
	struct address address;
	char ascii[DOMAIN_MAX + 1];
	if (!address_parse(slice_of(recipient), &address, NULL))
		return "";
	if (!address.is_utf8)
		return arena_printf(arena, "\r\n\tfor <%s>", recipient);
	for (size_t i = 0; i < address.local.size; i++)
		if (address.local.data[i] & 0x80)
			return "";
	if (!domain_to_ascii(address.domain, ascii, NULL))
		return "";
	return arena_printf(
		arena, "\r\n\tfor <%.*s@%s>", SLICE_ARG(address.local), ascii);
}

struct slice trace_received(
	struct arena *arena, const Postern__Mail *mail, const char *hostname)
{
	const Postern__Submission *from = mail->submission;
	const char *recipient = "";
	/* With several, one would tell the others that it was copied. */
	if (mail->envelope->n_recipients == 1)
		recipient = recipient_clause(
			arena, mail->envelope->recipients[0]->address);
	return slice_of(arena_printf(arena,
		"Received: from %s ([%s%s])\r\n"
		"\tby %s (Postern) with %s id %s\r\n"
		"\t(using %s with cipher %s)%s;\r\n"
		"\t%s\r\n",
		from->helo, strchr(from->client_address, ':') ? "IPv6:" : "",
		from->client_address, hostname, protocol_of(mail), mail->id,
		from->tls_version, from->tls_cipher, recipient,
		print_date(arena, from->received_us)));
}

struct slice trace_date(struct arena *arena, int64_t time_us)
{
	return slice_of(arena_printf(arena, "Date: %s\r\n", print_date(arena, time_us)));
}

struct slice trace_message_id(struct arena *arena, const char *id, struct slice domain)
{
	char ascii[DOMAIN_MAX + 1];
	if (domain.size && domain.data[0] == '[')
		return slice_of(arena_printf(
			arena, "Message-ID: <%s@%.*s>\r\n", id, SLICE_ARG(domain)));
	if (!domain_to_ascii(domain, ascii, NULL))
		ascii[0] = '\0';
	return slice_of(arena_printf(arena, "Message-ID: <%s@%s>\r\n", id, ascii));
}
