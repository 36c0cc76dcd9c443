/* SPDX-License-Identifier: MIT
 *
 * One value of a control object: its text checked and put into the field of the protobuf
 * message, and the field as text again. Reading normalises (a domain becomes a lower-case
 * A-label), so that equal objects are equal bytes. */
#ifndef CLI_VALUE_H
#define CLI_VALUE_H

#include <stdint.h>

#include "lib/arena.h"
#include "lib/fault.h"

struct choice {
	const char *word; /* NULL ends a list */
	int number;
};

struct value {
	/* What is allowed, as it follows "allowed: ". NULL: the words of `choices`. */
	const char *allowed;
	/* False: `fault` may say why; where it says nothing, `allowed` does. */
	bool (*read)(const struct value *value, struct arena *arena, const char *text,
		void *field, struct fault *fault);
	/* "" where the field is not set. */
	const char *(*print)(
		const struct value *value, struct arena *arena, const void *field);
	const struct choice *choices;
	bool is_number; /* in JSON, where its text has only digits and a dot */
};

extern const struct value name_value, text_value, file_value, detector_value;
extern const struct value domain_value, any_domain_value, host_value, selector_value;
extern const struct value address_value, network_value;
extern const struct value sender_value, envelope_value; /* the latter may be empty */
extern const struct value count_value, count64_value, port_value, score_value;
extern const struct value bytes_value, duration_value;
extern const struct value moment_value; /* only printed */

bool choice_read(const struct value *value, struct arena *arena, const char *text,
	void *field, struct fault *fault);
const char *choice_print(
	const struct value *value, struct arena *arena, const void *field);
/* const struct value lane_value = CHOICES(lane_choices); */
#define CHOICES(list)                                                         \
	{                                                                     \
		.read = choice_read, .print = choice_print, .choices = (list) \
	}

/* What is allowed, for a fault's text. */
const char *value_allowed(const struct value *value, struct arena *arena);

/* "München.example" gives "xn--mnchen-3ya.example"; NULL: `fault` says why. */
const char *domain_normal(struct arena *arena, const char *text, struct fault *fault);

#endif
