/* SPDX-License-Identifier: MIT */
#include "lib/service.h"
#include "services/signer/config.h"
#include "services/signer/signer.h"

static const struct service signer = {
	.name = "signer",
	.summary =
		"Signs cleared mail with DKIM and verifies the signatures before it leaves.",
	.settings = signer_settings,
	.config_size = sizeof(struct signer_config),
	.open = signer_open,
	.drain = signer_drain,
	.reload = signer_reload,
	.close = signer_close,
};

int main(int argc, char **argv)
{
	return service_main(argc, argv, &signer);
}
