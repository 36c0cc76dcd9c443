/* SPDX-License-Identifier: MIT
 *
 * What a session says: replies into its output. Part of session_state.h. */
#include <stdarg.h>
#include <stdio.h>

#include "services/smtp-gateway/session_state.h"

/* RFC 5321 4.5.3.1.5, with room for code and CRLF. */
#define TEXT_MAX 480

struct slice session_output(const struct session *session)
{
	return buffer_slice(&session->out);
}

/* An idle session keeps no buffer. */
void session_sent(struct session *session, size_t size)
{
	buffer_consume(&session->out, size);
	if (buffer_size(&session->out) == 0)
		buffer_done(&session->out);
}

__attribute__((format(printf, 4, 0))) static void reply(struct session *session,
	const char *code, const char *enhanced, const char *format, va_list args)
{
	char text[TEXT_MAX];
	vsnprintf(text, sizeof(text), format, args);
	for (char *byte = text; *byte; byte++)
		if (*byte < ' ' || *byte > '~')
			*byte = '?';
	buffer_printf(&session->out, "%s %s %s\r\n", code, enhanced, text);
	if (code[0] >= '4')
		session->world->refused(session->with, code, enhanced, text);
}

void session_reply(struct session *session, const char *code, const char *enhanced,
	const char *format, ...)
{
	va_list args;
	va_start(args, format);
	reply(session, code, enhanced, format, args);
	va_end(args);
}

void session_complain(struct session *session, const char *code, const char *enhanced,
	const char *format, ...)
{
	va_list args;
	va_start(args, format);
	reply(session, code, enhanced, format, args);
	va_end(args);
	if (++session->bad_commands >= session->world->limits.bad_commands)
		session_end(session, "4.7.0", "Too many errors");
}

void session_reply_line(
	struct session *session, const char *code, char mark, const char *text)
{
	buffer_printf(&session->out, "%s%c%s\r\n", code, mark, text);
}
