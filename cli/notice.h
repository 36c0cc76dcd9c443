/* SPDX-License-Identifier: MIT
 *
 * The events that an operator's act leaves behind, so that a trace shows who did what. */
#ifndef CLI_NOTICE_H
#define CLI_NOTICE_H

#include "cli/session.h"
#include "proto/event.pb-c.h"
#include "proto/mail.pb-c.h"

/* About `mail`, whose strings it borrows. */
Postern__Event *notice_new(
	struct arena *arena, const Postern__Mail *mail, Postern__EventKind kind);
/* With session_wait() for the end. */
void notice_begin(
	struct session *session, struct arena *arena, const Postern__Event *event);

#endif
