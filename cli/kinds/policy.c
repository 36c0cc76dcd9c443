/* SPDX-License-Identifier: MIT */
#include "cli/kind.h"

static const struct choice decisions[] = {
	{ "clear", POSTERN__DECISION__DECISION_CLEAR },
	{ "hold", POSTERN__DECISION__DECISION_HOLD },
	{ "reject", POSTERN__DECISION__DECISION_REJECT },
	{ 0 },
};
static const struct value decision_value = CHOICES(decisions);

/* What happens while rspamd is away: the scanner retries where nothing else is said. */
static const struct choice unavailable_choices[] = {
	{ "clear", POSTERN__DECISION__DECISION_CLEAR },
	{ "hold", POSTERN__DECISION__DECISION_HOLD },
	{ "retry", POSTERN__DECISION__DECISION_UNSPECIFIED },
	{ 0 },
};
static const struct value unavailable_value = CHOICES(unavailable_choices);

static const struct field spam_fields[] = {
	{ VALUE(Postern__Spam, hold_score, "hold-score", score_value) },
	{ VALUE(Postern__Spam, reject_score, "reject-score", score_value) },
	{ VALUE(Postern__Spam, unavailable, "unavailable", unavailable_value) },
	{ 0 },
};

static const struct field rule_fields[] = {
	{ VALUE(Postern__Rule, detector, "detector", detector_value),
		.is_required = true },
	{ VALUE(Postern__Rule, count, "count", count_value) },
	{ VALUE(Postern__Rule, decision, "decision", decision_value),
		.is_required = true },
	{ 0 },
};

static const struct field fields[] = {
	{ VALUE(Postern__Policy, name, "name", name_value), .is_required = true },
	{ VALUE(Postern__Policy, malware, "malware", decision_value) },
	{ VALUE(Postern__Policy, encrypted, "encrypted", decision_value) },
	{ VALUE(Postern__Policy, unscannable, "unscannable", decision_value) },
	{ MAPPING(
		Postern__Policy, spam, "spam", spam_fields, postern__spam__descriptor) },
	{ MAPPINGS(Postern__Policy, rules, "rules", rule_fields,
		postern__rule__descriptor) },
	{ 0 },
};

static const char *const columns[] = { "name", "malware", "encrypted", "unscannable",
	"rules", NULL };

const struct kind policy_kind = {
	.name = "policy",
	.plural = "policies",
	.number = POSTERN__OBJECT__KIND_POLICY,
	.message = &postern__policy__descriptor,
	.fields = fields,
	.columns = columns,
};
