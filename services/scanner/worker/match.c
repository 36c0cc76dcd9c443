/* SPDX-License-Identifier: MIT */
#include "services/scanner/worker/match.h"

#include <hs/hs.h>
#include <stdlib.h>
#include <string.h>

#include "lib/memory.h"
#include "services/scanner/worker/detector.h"
#include "services/scanner/worker/report.h"

#define PATTERNS_MAX   512
#define SLOTS          (VALUES_MAX * 2)
#define EVIDENCE_SHOWN 3
#define EVIDENCE_SIZE  120

struct hits {
	const struct detector *detector;
	const char *kind; /* of the first */
	const char *part; /* of the first */
	char evidence[EVIDENCE_SIZE];
	unsigned count;
	uint64_t seen[SLOTS]; /* hashes of the values; 0 = free */
};

struct matcher {
	hs_database_t *database;
	hs_scratch_t *scratch;
	size_t n_patterns, n_detectors;
	struct {
		struct hits *hits;
		unsigned number; /* among its detector's patterns */
		size_t done;     /* the text up to here has been examined */
	} patterns[PATTERNS_MAX];
	struct hits *hits; /* by detector */
	struct slice text;
	const char *part;
};

/* FNV-1a, never 0. Equal values must meet; that two others might is a count of one less.
 */
static uint64_t hash_value(struct slice value)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	for (size_t i = 0; i < value.size; i++)
		hash = (hash ^ (unsigned char)value.data[i]) * UINT64_C(0x100000001b3);
	return hash ? hash : 1;
}

static bool is_new(struct hits *hits, uint64_t hash)
{
	size_t slot = hash % SLOTS;
	while (hits->seen[slot] && hits->seen[slot] != hash)
		slot = (slot + 1) % SLOTS;
	bool is_free = !hits->seen[slot];
	hits->seen[slot] = hash;
	return is_free;
}

void hits_add(
	struct hits *hits, struct slice value, const char *kind, const char *evidence)
{
	if (hits->count == VALUES_MAX || !is_new(hits, hash_value(value)))
		return;
	if (!hits->count)
		hits->kind = kind;
	size_t used = strlen(hits->evidence);
	size_t wanted = strlen(evidence) + (used ? 2 : 0);
	if (hits->count < EVIDENCE_SHOWN && used + wanted < EVIDENCE_SIZE) {
		memcpy(hits->evidence + used, used ? ", " : "", used ? 2 : 0);
		memcpy(hits->evidence + used + (used ? 2 : 0), evidence,
			strlen(evidence) + 1);
	}
	hits->count++;
}

static bool compile(struct matcher *matcher, const char *const *expressions,
	const unsigned *flags, const unsigned *ids, struct fault *fault)
{
	hs_compile_error_t *error = NULL;
	if (hs_compile_multi(expressions, flags, ids, (unsigned)matcher->n_patterns,
		    HS_MODE_BLOCK, NULL, &matcher->database, &error) != HS_SUCCESS) {
		fault_fatal(fault, "Hyperscan: %s (pattern %d)", error->message,
			error->expression);
		hs_free_compile_error(error);
		return false;
	}
	return hs_alloc_scratch(matcher->database, &matcher->scratch) == HS_SUCCESS ||
	       fault_fatal(fault, "Hyperscan: no scratch memory");
}

struct matcher *matcher_new(struct fault *fault)
{
	if (hs_valid_platform() != HS_SUCCESS) {
		fault_fatal(fault, "this processor lacks what Hyperscan needs (SSE4.2): "
				   "take dlp out of POSTERN_SCANNER_CHECKS");
		return NULL;
	}
	struct matcher *matcher = NEW(struct matcher);
	while (detector_registry[matcher->n_detectors])
		matcher->n_detectors++;
	matcher->hits = NEW_ARRAY(struct hits, matcher->n_detectors);
	const char *expressions[PATTERNS_MAX];
	unsigned flags[PATTERNS_MAX] = { 0 }, ids[PATTERNS_MAX];
	for (size_t d = 0; d < matcher->n_detectors; d++) {
		const struct detector *detector = detector_registry[d];
		matcher->hits[d].detector = detector;
		for (unsigned n = 0; detector->patterns[n]; n++) {
			size_t id = matcher->n_patterns;
			if (id == PATTERNS_MAX) {
				fault_fatal(fault, "more than %d patterns", PATTERNS_MAX);
				goto failed;
			}
			matcher->n_patterns++;
			ids[id] = (unsigned)id;
			expressions[id] = detector->patterns[n];
			matcher->patterns[id].hits = &matcher->hits[d];
			matcher->patterns[id].number = n;
		}
	}
	if (compile(matcher, expressions, flags, ids, fault))
		return matcher;
failed:
	matcher_free(matcher);
	return NULL;
}

void matcher_free(struct matcher *matcher)
{
	if (!matcher)
		return;
	hs_free_scratch(matcher->scratch);
	hs_free_database(matcher->database);
	free(matcher->hits);
	free(matcher);
}

void matcher_begin(struct matcher *matcher)
{
	for (size_t d = 0; d < matcher->n_detectors; d++)
		if (matcher->hits[d].count)
			matcher->hits[d] =
				(struct hits){ .detector = matcher->hits[d].detector };
}

static int on_candidate(unsigned id, unsigned long long from, unsigned long long to,
	unsigned flags, void *with)
{
	(void)from, (void)flags;
	struct matcher *matcher = with;
	if (to <= matcher->patterns[id].done)
		return 0;
	struct hits *hits = matcher->patterns[id].hits;
	bool had_none = !hits->count;
	matcher->patterns[id].done = hits->detector->examine(
		matcher->text, matcher->patterns[id].number, (size_t)to, hits);
	if (had_none && hits->count)
		hits->part = matcher->part;
	return 0;
}

bool matcher_scan(
	struct matcher *matcher, struct slice text, const char *part, struct fault *fault)
{
	if (!text.size)
		return true;
	matcher->text = text;
	matcher->part = part;
	for (size_t id = 0; id < matcher->n_patterns; id++)
		matcher->patterns[id].done = 0;
	if (text.size > UINT32_MAX)
		return fault_temporary(fault, "text of %zu bytes", text.size);
	hs_error_t error = hs_scan(matcher->database, text.data, (unsigned)text.size, 0,
		matcher->scratch, on_candidate, matcher);
	return error == HS_SUCCESS ||
	       fault_temporary(fault, "Hyperscan: error %d", error);
}

void matcher_report(const struct matcher *matcher, struct report *report)
{
	for (size_t d = 0; d < matcher->n_detectors; d++) {
		const struct hits *hits = &matcher->hits[d];
		if (hits->count)
			report_add(report, &(struct observation){
						   .check = hits->detector->name,
						   .name = hits->kind,
						   .evidence = hits->evidence,
						   .part = hits->part,
						   .count = hits->count,
					   });
	}
}
