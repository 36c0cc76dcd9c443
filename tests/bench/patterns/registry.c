/* SPDX-License-Identifier: MIT
 *
 * The detectors of a worker that looks for as many patterns as BENCH_PATTERNS says: the
 * real ones, and numbers of customers, contracts and staff as firms write them. */
#include <stdio.h>
#include <stdlib.h>

#include "services/scanner/worker/detector.h"

#define PATTERNS_MAX 300
#define REAL         3

extern const struct detector card_number_detector, cloud_access_key_detector,
	iban_detector;

static struct detector made[PATTERNS_MAX];
static char names[PATTERNS_MAX][24], texts[PATTERNS_MAX][64];
static const char *patterns[PATTERNS_MAX][2];

/* Ended by NULL, as the registry that the build makes. */
const struct detector *detector_registry_bench[PATTERNS_MAX + 1] __asm__(
	"detector_registry") = { &card_number_detector, &cloud_access_key_detector,
	&iban_detector };

static size_t examine(struct slice text, unsigned pattern, size_t end, struct hits *hits)
{
	size_t from = end > 8 ? end - 8 : 0;
	hits_add(hits, (struct slice){ text.data + from, end - from }, "number", "****");
	return end;
}

static void write_pattern(size_t i)
{
	size_t room = sizeof(texts[i]);
	char first = (char)('A' + i % 26), second = (char)('A' + i / 26 % 26);
	unsigned digits = 5 + i % 7;
	if (i % 3 == 0)
		snprintf(texts[i], room, "\\b%c%c-[0-9]{%u}\\b", first, second, digits);
	else if (i % 3 == 1)
		snprintf(texts[i], room, "\\b%c%c[0-9]{4} ?[0-9]{%u}\\b", first, second,
			digits);
	else
		snprintf(texts[i], room,
			"(?i)\\b(customer|contract) no[.:]? ?%c%c[0-9]{%u}", first,
			second, digits);
}

__attribute__((constructor)) static void make_detectors(void)
{
	const char *wanted = getenv("BENCH_PATTERNS");
	size_t count = wanted ? strtoul(wanted, NULL, 10) : REAL;
	for (size_t i = REAL; i < count && i < PATTERNS_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "number_%zu", i);
		write_pattern(i);
		patterns[i][0] = texts[i];
		made[i] = (struct detector){ names[i], "Numbers of a firm", patterns[i],
			examine };
		detector_registry_bench[i] = &made[i];
	}
}
