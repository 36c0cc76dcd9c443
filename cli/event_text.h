/* SPDX-License-Identifier: MIT
 *
 * What an event says, as one line for people. All of it is printable: the events hold
 * text of remote servers and of senders. */
#ifndef CLI_EVENT_TEXT_H
#define CLI_EVENT_TEXT_H

#include "lib/arena.h"
#include "proto/event.pb-c.h"

/* "delivered to ann@example.com: 250 2.0.0 Ok; mx1 [192.0.2.1:25], TLSv1.3 …" */
const char *event_text(struct arena *arena, const Postern__Event *event);
/* "delivered" */
const char *event_word(struct arena *arena, const Postern__Event *event);

#endif
