/* SPDX-License-Identifier: MIT */
#include "services/scanner/scanner.h"

int main(int argc, char **argv)
{
	return service_main(argc, argv,
		&(struct service){
			.name = "scanner",
			.summary =
				"Looks for malware, spam and data that must not leave, "
				"and clears, holds or rejects mail.",
			.settings = scanner_settings,
			.config_size = sizeof(struct config),
			.open = scanner_open,
			.is_ready = scanner_is_ready,
			.drain = scanner_drain,
			.reload = scanner_reload,
			.close = scanner_close,
		});
}
