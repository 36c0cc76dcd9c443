/* SPDX-License-Identifier: MIT */
#include "services/smtp-gateway/refusal.h"

#include <stdarg.h>
#include <stdio.h>

bool refuse(struct refusal *refusal, const char *code, const char *enhanced,
	const char *format, ...)
{
	va_list args;
	refusal->code = code;
	refusal->enhanced = enhanced;
	va_start(args, format);
	vsnprintf(refusal->text, sizeof(refusal->text), format, args);
	va_end(args);
	return false;
}
