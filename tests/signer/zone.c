/* SPDX-License-Identifier: MIT */
#include "tests/signer/zone.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char zone_server[32];

static char folder[64];

static void write_zone(const char *const *records)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/example.test.zone", folder);
	FILE *file = fopen(path, "w");
	ck_assert(file);
	fputs("$TTL 0\n@ SOA ns hostmaster 1 60 60 60 0\n@ NS ns\nns A 127.0.0.1\n",
		file);
	for (; *records; records += 2) {
		fprintf(file, "%s._domainkey TXT", records[0]);
		const char *text = records[1];
		do {
			fprintf(file, " \"%.200s\"", text);
			text += strnlen(text, 200);
		} while (*text);
		fputc('\n', file);
	}
	fclose(file);
}

static void run_nsd(const char *verb, const char *zones)
{
	char command[256];
	snprintf(command, sizeof(command), "tools/nsd %s %s %s >/dev/null", verb, folder,
		zones);
	ck_assert_msg(system(command) == 0, "%s", command);
}

void zone_start(void)
{
	const char *const none[] = { NULL };
	char path[128];
	int port = 0;
	snprintf(folder, sizeof(folder), "/tmp/postern-zone-XXXXXX");
	ck_assert(mkdtemp(folder));
	write_zone(none);
	snprintf(path, sizeof(path), "%s/example.test.zone", folder);
	run_nsd("start", path);
	snprintf(path, sizeof(path), "%s/port", folder);
	FILE *file = fopen(path, "r");
	ck_assert(file && fscanf(file, "%d", &port) == 1);
	fclose(file);
	snprintf(zone_server, sizeof(zone_server), "127.0.0.1:%d", port);
}

void zone_stop(void)
{
	char command[128];
	run_nsd("stop", "");
	snprintf(command, sizeof(command), "rm -r %s", folder);
	ck_assert_int_eq(system(command), 0);
}

void zone_publish(const char *const *records)
{
	write_zone(records);
	run_nsd("reload", "");
}
