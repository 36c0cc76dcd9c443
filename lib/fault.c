/* SPDX-License-Identifier: MIT */
#include "lib/fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 3, 0))) static void fill(
	struct fault *fault, enum fault_kind kind, const char *format, va_list args)
{
	if (!fault)
		return;
	/* Formatted aside first: an argument may be the old text itself. */
	char text[sizeof(fault->text)];
	vsnprintf(text, sizeof(text), format, args);
	fault->kind = kind;
	memcpy(fault->text, text, sizeof(text));
}

#define DEFINE(name, kind)                                      \
	bool name(struct fault *fault, const char *format, ...) \
	{                                                       \
		va_list args;                                   \
		va_start(args, format);                         \
		fill(fault, kind, format, args);                \
		va_end(args);                                   \
		return false;                                   \
	}

DEFINE(fault_temporary, FAULT_TEMPORARY)
DEFINE(fault_permanent, FAULT_PERMANENT)
DEFINE(fault_fatal, FAULT_FATAL)

bool fault_within(struct fault *fault, const char *context)
{
	if (!fault)
		return false;
	char text[sizeof(fault->text)];
	snprintf(text, sizeof(text), "%s: %.*s", context,
		(int)(sizeof(text) - strnlen(context, sizeof(text) - 3) - 3),
		fault->text);
	memcpy(fault->text, text, sizeof(text));
	return false;
}
