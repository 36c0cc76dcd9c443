/* SPDX-License-Identifier: MIT */
#include "lib/service.h"
#include "services/sender/config.h"
#include "services/sender/sender.h"

int main(int argc, char **argv)
{
	return service_main(argc, argv,
		&(struct service){
			.name = "sender",
			.summary = "Delivers the signed mail of one pool to the mail "
				   "hosts of its recipients.",
			.settings = sender_settings,
			.config_size = sizeof(struct sender_config),
			.open = sender_open,
			.drain = sender_drain,
			.reload = sender_reload,
			.close = sender_close,
		});
}
