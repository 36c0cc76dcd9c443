/* SPDX-License-Identifier: MIT */
#include "services/smtp-gateway/login.h"

#include "lib/registry/credential.h"
#include "services/smtp-gateway/network.h"

static bool comes_from_networks(const Postern__App *app, const char *client_address)
{
	for (size_t i = 0; i < app->n_networks; i++)
		if (network_contains(app->networks[i], client_address))
			return true;
	return app->n_networks == 0;
}

const Postern__Credential *login_check(const struct registry *registry,
	struct session_offer offer, const char *client_address, int64_t now_us,
	struct fault *why)
{
	const Postern__Credential *credential = credential_find(
		registry, offer.app, offer.secret, now_us);
	const Postern__App *app = registry_app(registry, offer.app);
	if (!credential)
		fault_permanent(why, "no valid credential with that secret");
	else if (!app)
		fault_permanent(why, "there is no such app");
	else if (app->state == POSTERN__APP_STATE__APP_REVOKED)
		fault_permanent(why, "the app is revoked");
	else if (!comes_from_networks(app, client_address))
		fault_permanent(
			why, "%s is in none of the app's networks", client_address);
	else if (app->state == POSTERN__APP_STATE__APP_SUSPENDED)
		fault_temporary(why, "The app %s is suspended", app->name);
	else
		return credential;
	return NULL;
}

static const Postern__Credential *find(
	const struct registry *registry, struct slice app, struct slice name)
{
	const Postern__Credential *credential;
	for (size_t n = 0; (credential = registry_credential(registry, app, n)); n++)
		if (slice_equal(slice_of(credential->name), name))
			return credential;
	return NULL;
}

const Postern__App *login_app(const struct registry *registry, const struct login *login,
	int64_t now_us, struct fault *why)
{
	const Postern__App *app = registry_app(registry, login->app);
	const Postern__Credential *credential = find(
		registry, login->app, login->credential);
	if (!app || app->state == POSTERN__APP_STATE__APP_REVOKED)
		fault_permanent(why, "The app is revoked");
	else if (app->state == POSTERN__APP_STATE__APP_SUSPENDED)
		fault_temporary(why, "The app %s is suspended", app->name);
	else if (!credential)
		fault_permanent(why, "The credential was deleted");
	else if (credential->expires_us && credential->expires_us <= now_us)
		fault_permanent(why, "The credential has expired");
	else if (!comes_from_networks(app, login->client_address))
		fault_permanent(why, "%s is in none of the app's networks",
			login->client_address);
	else
		return app;
	return NULL;
}
