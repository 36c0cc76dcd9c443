/* SPDX-License-Identifier: MIT */
#include "tests/sender/far_end.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void make_certificate(struct far_end *far_end)
{
	char command[512];
	snprintf(far_end->certificate, sizeof(far_end->certificate), "%s/certificate.pem",
		far_end->folder);
	snprintf(far_end->key, sizeof(far_end->key), "%s/key.pem", far_end->folder);
	snprintf(command, sizeof(command),
		"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 "
		"-nodes -days 2 -subj /CN=localhost "
		"-addext subjectAltName=DNS:localhost,IP:127.0.0.1 "
		"-keyout %s -out %s 2>/dev/null",
		far_end->key, far_end->certificate);
	ck_assert_int_eq(system(command), 0);
}

void far_end_start(struct far_end *far_end, const char *options)
{
	int out[2];
	*far_end = (struct far_end){ 0 };
	snprintf(far_end->folder, sizeof(far_end->folder), "/tmp/far-end-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(far_end->folder));
	make_certificate(far_end);
	char command[1024];
	snprintf(command, sizeof(command),
		"exec /usr/bin/python3 tests/pipeline/destination.py --journal "
		"%s/journal --certificate %s --key %s %s",
		far_end->folder, far_end->certificate, far_end->key, options);
	ck_assert_int_eq(pipe(out), 0);
	far_end->pid = fork();
	if (far_end->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test stops nothing */
		dup2(out[1], STDOUT_FILENO);
		close(out[0]);
		close(out[1]);
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	close(out[1]);
	FILE *told = fdopen(out[0], "r");
	unsigned port = 0;
	ck_assert_int_eq(fscanf(told, "destination 127.0.0.1:%u", &port), 1);
	fclose(told);
	far_end->port = (uint16_t)port;
}

void far_end_stop(struct far_end *far_end)
{
	char command[128];
	kill(far_end->pid, SIGKILL);
	waitpid(far_end->pid, NULL, 0);
	snprintf(command, sizeof(command), "rm -r %s", far_end->folder);
	ck_assert_int_eq(system(command), 0);
}

unsigned far_end_count(const struct far_end *far_end, const char *text)
{
	char path[128], line[4096];
	snprintf(path, sizeof(path), "%s/journal", far_end->folder);
	FILE *journal = fopen(path, "re");
	unsigned count = 0;
	while (journal && fgets(line, sizeof(line), journal))
		count += strstr(line, text) != NULL;
	if (journal)
		fclose(journal);
	return count;
}
