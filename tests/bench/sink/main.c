/* SPDX-License-Identifier: MIT
 *
 * bench-sink: a destination that takes all mail as fast as it comes. One line a message:
 * token (local part of the Message-ID), time of the final dot in Unix us, size,
 * signatures. Every SAMPLE-th message is stored whole. Other ports play bad destinations.
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/loop.h"
#include "lib/thread.h"
#include "tests/bench/sink/sink.h"

static const char usage[] =
	"usage: bench-sink --port N --out FILE [--samples FOLDER --sample N]\n"
	"                  [--tarpit PORT] [--defer PORT] [--silent PORT]\n"
	"                  [--submission PORT --certificate FILE --key FILE]\n"
	"  --tarpit   answers each command after 5 s      --defer   answers RCPT with 451\n"
	"  --silent   accepts connections and says nothing\n"
	"  --submission  takes mail over STARTTLS and AUTH: for the generator's ceiling\n";

static const struct option options[] = {
	{ "port", required_argument, NULL, 'p' },
	{ "out", required_argument, NULL, 'o' },
	{ "samples", required_argument, NULL, 's' },
	{ "sample", required_argument, NULL, 'n' },
	{ "tarpit", required_argument, NULL, 't' },
	{ "defer", required_argument, NULL, 'd' },
	{ "silent", required_argument, NULL, 'q' },
	{ "submission", required_argument, NULL, 'S' },
	{ "certificate", required_argument, NULL, 'c' },
	{ "key", required_argument, NULL, 'k' },
	{ 0 },
};

static void on_stop(void *with, unsigned what)
{
	loop_stop(with);
}

int main(int argc, char **argv)
{
	struct sink_plan plan = { .sample = 100 };
	for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		switch (option) {
		case 'p':
			plan.ports[SINK_TAKES] = (int)strtol(optarg, NULL, 10);
			break;
		case 't':
			plan.ports[SINK_TARPITS] = (int)strtol(optarg, NULL, 10);
			break;
		case 'd':
			plan.ports[SINK_DEFERS] = (int)strtol(optarg, NULL, 10);
			break;
		case 'q':
			plan.ports[SINK_IS_SILENT] = (int)strtol(optarg, NULL, 10);
			break;
		case 'S':
			plan.ports[SINK_SUBMITS] = (int)strtol(optarg, NULL, 10);
			break;
		case 'c':
			plan.certificate = optarg;
			break;
		case 'k':
			plan.key = optarg;
			break;
		case 'n':
			plan.sample = strtoul(optarg, NULL, 10);
			break;
		case 's':
			plan.samples = optarg;
			break;
		case 'o':
			plan.out = optarg;
			break;
		default:
			break;
		}
	}
	if (!plan.ports[SINK_TAKES] || !plan.out) {
		fputs(usage, stderr);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	thread_answer();
	struct loop *loop = loop_new();
	struct sink *sink = sink_open(&plan, loop);
	if (!sink)
		return 1;
	watch_signal(loop, SIGTERM, on_stop, loop);
	loop_run(loop);
	sink_close(sink);
	return 0;
}
