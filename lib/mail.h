/* SPDX-License-Identifier: MIT
 *
 * Records of the bus as bytes and back: Mail, Event, Object. Decoding is strict (version,
 * sizes, enum ranges, ids) and bounded, for a record may be damaged or hostile; a record
 * that does not decode belongs in the dead-letter topic. Decoded messages live in the
 * arena and share no memory with the record, but for the content of a Mail. */
#ifndef LIB_MAIL_H
#define LIB_MAIL_H

#include "lib/arena.h"
#include "lib/bus/bus.h"
#include "lib/fault.h"
#include "lib/slice.h"
#include "proto/control.pb-c.h"
#include "proto/event.pb-c.h"
#include "proto/mail.pb-c.h"

#define RECORD_VERSION 1

/* Its content lies in `record`. NULL: FAULT_PERMANENT, with what is wrong. */
Postern__Mail *mail_decode(struct arena *arena, struct slice record, struct fault *fault);
Postern__Event *event_decode(
	struct arena *arena, struct slice record, struct fault *fault);
Postern__DeadRecord *dead_record_decode(
	struct arena *arena, struct slice record, struct fault *fault);
Postern__Object *object_decode(
	struct arena *arena, struct slice record, struct fault *fault);

/* Any message of proto/, unpacked within bounds; its values are not checked yet. NULL:
 * FAULT_PERMANENT. */
void *record_decode(struct arena *arena, const ProtobufCMessageDescriptor *type,
	struct slice record, struct fault *fault);
/* Any message of proto/, packed into the arena. */
struct slice record_encode(struct arena *arena, const ProtobufCMessage *message);

/* The value and the body of a Mail's record: the body is its content, borrowed, and what
 * comes before it is packed into the arena. */
void mail_encode(
	struct arena *arena, const Postern__Mail *mail, struct bus_record *ret_record);

/* Only the id of a Mail record, without decoding the rest; empty if there is none. */
struct slice mail_peek_id(struct slice record);

/* Puts `header` (whole, with its CRLF; borrowed) before the others. The list is made
 * anew, so a shallow copy of a Mail may be changed so without touching the original. */
void mail_prepend(struct arena *arena, Postern__Mail *mail, struct slice header);
/* Takes off the headers of that name, without regard to case; likewise. */
void mail_drop_headers(struct arena *arena, Postern__Mail *mail, struct slice name);
/* Appends a step that began at `started_us` and ends now; likewise on a shallow copy. */
void mail_add_step(
	struct arena *arena, Postern__Mail *mail, const char *stage, int64_t started_us);
/* A step of this name says that the mail was in quarantine, and was let go. */
#define STEP_QUARANTINE "quarantine"
/* Under which it is kept in mail.quarantine: its id, and from its second hold on "ID/2".
 * Each hold has a key of its own, so that what deletes one, however late, never meets
 * the next; a hold that is repeated after a kill has the same. */
const char *mail_hold_key(struct arena *arena, const Postern__Mail *mail);
/* Size in bytes of headers and content together. */
size_t mail_size(const Postern__Mail *mail);
/* Key of the mail on the pipeline's topics: app and shard. */
struct slice mail_key(struct arena *arena, const Postern__Mail *mail);

#endif
