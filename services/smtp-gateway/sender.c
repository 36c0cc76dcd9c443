/* SPDX-License-Identifier: MIT */
#include "services/smtp-gateway/sender.h"

/* A pattern that can't be read matches nothing. */
static bool matches(const char *pattern, const struct address *address)
{
	struct address wanted;
	if (!*pattern || address->whole.size == 0)
		return !*pattern && address->whole.size == 0;
	if (!address_parse(slice_of(pattern), &wanted, NULL))
		return false;
	if (slice_equal(wanted.local, SLICE("*")))
		return domain_equal(wanted.domain, address->domain);
	return address_equal(&wanted, address);
}

bool sender_may_use_envelope(const Postern__App *app, const struct address *envelope)
{
	for (size_t i = 0; i < app->n_senders; i++)
		if (matches(app->senders[i]->envelope, envelope))
			return true;
	return false;
}

bool sender_may_use(const Postern__App *app, const struct address *envelope,
	const struct address *header)
{
	if (header->whole.size == 0)
		return false;
	for (size_t i = 0; i < app->n_senders; i++)
		if (matches(app->senders[i]->envelope, envelope) &&
			matches(app->senders[i]->header, header))
			return true;
	return false;
}
