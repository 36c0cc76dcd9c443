/* SPDX-License-Identifier: MIT
 *
 * What EHLO and HELO share. Part of session_state.h. */
#include <stdlib.h>
#include <string.h>

#include "lib/memory.h"
#include "services/smtp-gateway/session_state.h"

/* Anything a client may call itself without harm to the Received field. */
static bool is_name(struct slice name)
{
	if (name.size == 0 || name.size > 255)
		return false;
	for (size_t i = 0; i < name.size; i++) {
		char byte = name.data[i];
		bool is_alnum = (byte >= '0' && byte <= '9') ||
				(byte >= 'A' && byte <= 'Z') ||
				(byte >= 'a' && byte <= 'z');
		if (!is_alnum && (!byte || !strchr("-._:[]", byte)))
			return false;
	}
	return true;
}

bool session_hello(struct session *session, struct slice name)
{
	if (!is_name(name)) {
		session_complain(session, "501", "5.5.4",
			"A host name or address literal is needed");
		return false;
	}
	free(session->helo);
	session->helo = memory_string(name);
	session_forget_transaction(session);
	if (session->state & SESSION_KNOWN)
		session_enter(session, SESSION_IDLE);
	return true;
}
