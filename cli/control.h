/* SPDX-License-Identifier: MIT
 *
 * Writing the topic `control`: objects are stamped with who wrote them and when, and are
 * durable when a call here returns true. */
#ifndef CLI_CONTROL_H
#define CLI_CONTROL_H

#include "cli/session.h"

/* "ann@ops1": the person behind sudo where there is one. */
const char *operator_name(struct arena *arena);

/* Stamps the object. With session_wait() for the end. */
void control_begin(struct session *session, struct arena *arena, Postern__Object *object);
bool control_put(struct session *session, struct arena *arena, Postern__Object *object,
	struct fault *fault);
bool control_delete(struct session *session, struct slice key, struct fault *fault);

/* A copy that shares nothing with the registry. */
Postern__Object *object_copy(struct arena *arena, const Postern__Object *object);

#endif
