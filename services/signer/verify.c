/* SPDX-License-Identifier: MIT */
#include "services/signer/verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Its header leaves these to the includer. */
#include <sys/types.h>
#include <opendkim/dkim.h>

#include "lib/memory.h"

struct verifier {
	DKIM_LIB *library;
};

/* What the key lookup of one letter finds. */
struct published {
	const struct verify_signature *signatures;
	size_t count;
};

/* Any other answer than CONTINUE or NOTFOUND would send libopendkim to the DNS. */
static DKIM_CBSTAT look_up(
	DKIM *dkim, DKIM_SIGINFO *signature, unsigned char *buffer, size_t size)
{
	const struct published *published = dkim_get_user_context(dkim);
	const char *domain = (const char *)dkim_sig_getdomain(signature);
	const char *selector = (const char *)dkim_sig_getselector(signature);
	for (size_t i = 0; i < published->count; i++) {
		const struct verify_signature *ours = &published->signatures[i];
		if (strcmp(ours->domain, domain) != 0 ||
			strcmp(ours->selector, selector) != 0)
			continue;
		int length = snprintf((char *)buffer, size, "%s", ours->record);
		return length > 0 && (size_t)length < size ? DKIM_CBSTAT_CONTINUE
							   : DKIM_CBSTAT_NOTFOUND;
	}
	return DKIM_CBSTAT_NOTFOUND;
}

struct verifier *verifier_new(struct fault *fault)
{
	DKIM_LIB *library = dkim_init(NULL, NULL);
	if (!library || dkim_set_key_lookup(library, look_up) != DKIM_STAT_OK) {
		if (library)
			dkim_close(library);
		fault_fatal(fault, "libopendkim does not start");
		return NULL;
	}
	struct verifier *verifier = NEW(struct verifier);
	verifier->library = library;
	return verifier;
}

void verifier_free(struct verifier *verifier)
{
	if (!verifier)
		return;
	dkim_close(verifier->library);
	free(verifier);
}

static DKIM_STAT feed_field(DKIM *dkim, struct slice raw)
{
	return dkim_header(dkim, (u_char *)raw.data, raw.size - 2);
}

/* Signatures of others are left out: ours don't cover them, and libopendkim would hash
 * the body once for each, as many as a hostile message may carry. */
static DKIM_STAT feed(
	DKIM *dkim, const struct letter *letter, const struct published *published)
{
	DKIM_STAT status = DKIM_STAT_OK;
	for (size_t i = 0; i < published->count && status == DKIM_STAT_OK; i++)
		status = feed_field(dkim, published->signatures[i].field);
	for (size_t i = 0; i < letter->count && status == DKIM_STAT_OK; i++)
		if (!slice_equal_nocase(letter->fields[i].name, SLICE("DKIM-Signature")))
			status = feed_field(dkim, letter->fields[i].whole);
	if (status == DKIM_STAT_OK)
		status = dkim_eoh(dkim);
	if (status == DKIM_STAT_OK && letter->body.size > 0)
		status = dkim_body(dkim, (u_char *)letter->body.data, letter->body.size);
	if (status == DKIM_STAT_OK)
		status = dkim_eom(dkim, NULL);
	return status;
}

/* The list is in the order in which the signatures were fed. */
static bool judge(DKIM *dkim, struct verify_signature *signatures, size_t count)
{
	DKIM_SIGINFO **list;
	int found = 0;
	if (dkim_getsiglist(dkim, &list, &found) != DKIM_STAT_OK || found != (int)count)
		return false;
	for (size_t i = 0; i < count; i++) {
		signatures[i].is_good = DKIM_SIG_CHECK(list[i]) &&
					dkim_sig_geterror(list[i]) == DKIM_SIGERROR_OK;
		if (!signatures[i].is_good)
			signatures[i].why = dkim_sig_geterrorstr(
				dkim_sig_geterror(list[i]));
	}
	return true;
}

bool verify_letter(struct verifier *verifier, const struct letter *letter,
	struct verify_signature *signatures, size_t count, struct fault *fault)
{
	struct published published = { signatures, count };
	DKIM_STAT status;
	DKIM *dkim = dkim_verify(
		verifier->library, (const u_char *)"postern", NULL, &status);
	if (!dkim)
		return fault_temporary(
			fault, "libopendkim: %s", dkim_getresultstr(status));
	dkim_set_user_context(dkim, &published);
	status = feed(dkim, letter, &published);
	/* A signature that fails makes dkim_eom() fail as well; each has its own word. */
	bool is_judged = judge(dkim, signatures, count);
	if (!is_judged) {
		const char *text = dkim_geterror(dkim);
		fault_permanent(fault, "libopendkim can't verify the message: %s",
			text ? text : dkim_getresultstr(status));
	}
	dkim_free(dkim);
	return is_judged;
}
