/* SPDX-License-Identifier: MIT */
#include "services/smtp-gateway/gateway.h"

int main(int argc, char **argv)
{
	return service_main(argc, argv,
		&(struct service){
			.name = "smtp-gateway",
			.summary =
				"Takes mail from applications: who are you, and may you "
				"send as that?",
			.settings = gateway_settings,
			.config_size = sizeof(struct gateway_config),
			.open = gateway_open,
			.drain = gateway_drain,
			.reload = gateway_reload,
			.close = gateway_close,
		});
}
