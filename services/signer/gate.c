/* SPDX-License-Identifier: MIT */
#include "services/signer/gate.h"

#include <stddef.h>

const char *gate_reason(struct arena *arena, const Postern__Mail *mail)
{
	if (mail->release)
		return NULL;
	if (!mail->verdict)
		return "it was never scanned, and nobody released it";
	switch (mail->verdict->decision) {
	case POSTERN__DECISION__DECISION_CLEAR:
		return NULL;
	case POSTERN__DECISION__DECISION_PROTECT:
		return "its verdict asks for encryption, which is not available; a "
		       "release sends it as it is";
	case POSTERN__DECISION__DECISION_HOLD:
	case POSTERN__DECISION__DECISION_REJECT:
	case POSTERN__DECISION__DECISION_UNSPECIFIED:
	default:
		return arena_printf(arena,
			"its verdict does not clear it, and nobody released it%s%s",
			*mail->verdict->reason ? ": " : "", mail->verdict->reason);
	}
}
