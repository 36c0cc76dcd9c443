/* SPDX-License-Identifier: MIT */
#include "services/scanner/checks.h"

#include <string.h>

#include "lib/slice.h"

static const struct {
	const char *name;
	enum check check;
} names[] = {
	{ "malware", CHECK_MALWARE },
	{ "spam", CHECK_SPAM },
	{ "dlp", CHECK_DLP },
};

static unsigned check_named(struct slice name)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (slice_equal(name, slice_of(names[i].name)))
			return names[i].check;
	return 0;
}

bool checks_parse(const char *list, unsigned *ret_checks, struct fault *fault)
{
	struct slice rest = slice_of(list), part;
	unsigned checks = 0;
	while (slice_split(&rest, ',', &part)) {
		part = slice_trim(part);
		unsigned check = check_named(part);
		if (!check)
			return fault_permanent(fault,
				"POSTERN_SCANNER_CHECKS has \"%.*s\": give one or more of "
				"malware, spam and dlp with commas between",
				SLICE_ARG(part));
		checks |= check;
	}
	*ret_checks = checks;
	return true;
}

enum check check_of_finding(const char *name)
{
	if (strcmp(name, "malware") == 0 || strcmp(name, "encrypted") == 0 ||
		strcmp(name, "unscannable") == 0)
		return CHECK_MALWARE;
	return strcmp(name, "spam") == 0 ? CHECK_SPAM : CHECK_DLP;
}
