/* SPDX-License-Identifier: MIT */
#include "services/signer/seal.h"

#include "services/signer/sign.h"

static bool sign(struct seal *seal, struct arena *arena, const struct coverage *coverage)
{
	for (size_t i = 0; i < seal->count; i++) {
		struct seal_key *key = &seal->keys[i];
		struct sign_request request = { seal->domain, key->selector, key->key,
			seal->time_s };
		if (!sign_letter(arena, coverage, &request, &key->field, &seal->fault)) {
			seal->bad = key;
			return false;
		}
	}
	return true;
}

static enum seal_outcome verify(
	struct seal *seal, const struct letter *letter, struct verifier *verifier)
{
	struct verify_signature signatures[SEAL_KEYS_MAX];
	for (size_t i = 0; i < seal->count; i++)
		signatures[i] = (struct verify_signature){ .domain = seal->domain,
			.selector = seal->keys[i].selector,
			.record = seal->keys[i].record,
			.field = seal->keys[i].field };
	if (!verify_letter(verifier, letter, signatures, seal->count, &seal->fault))
		return SEAL_UNCLEAN;
	for (size_t i = seal->count; i-- > 0;) {
		seal->keys[i].is_good = signatures[i].is_good;
		if (signatures[i].is_good)
			continue;
		seal->bad = &seal->keys[i];
		fault_temporary(&seal->fault,
			"libopendkim does not verify the signature against the published "
			"record: %s",
			signatures[i].why);
	}
	return seal->bad ? SEAL_BAD : SEAL_GOOD;
}

void seal_mail(struct seal *seal, struct arena *arena, struct verifier *verifier)
{
	struct letter letter;
	struct coverage coverage;
	if (!letter_read(arena, seal->mail, &letter, &seal->fault) ||
		!sign_prepare(arena, &letter, &coverage, &seal->fault))
		seal->outcome = SEAL_UNCLEAN;
	else if (!sign(seal, arena, &coverage))
		seal->outcome = SEAL_BAD;
	else if (seal->must_verify)
		seal->outcome = verify(seal, &letter, verifier);
	else
		seal->outcome = SEAL_GOOD;
}
