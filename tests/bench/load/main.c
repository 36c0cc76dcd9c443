/* SPDX-License-Identifier: MIT
 *
 * bench-load: submits mail over STARTTLS and AUTH, as fast as the connections allow or at
 * a fixed rate (open loop), and notes for each message when its final dot went out and
 * when its answer came. One line a message: token, due_us, dot_us, answer_us, code. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/memory.h"
#include "lib/thread.h"
#include "tests/bench/load/load.h"

static const struct option options[] = {
	{ "port", required_argument, NULL, 'p' },
	{ "user", required_argument, NULL, 'u' },
	{ "secret", required_argument, NULL, 's' },
	{ "from", required_argument, NULL, 'f' },
	{ "prefix", required_argument, NULL, 't' },
	{ "connections", required_argument, NULL, 'c' },
	{ "count", required_argument, NULL, 'n' },
	{ "bytes", required_argument, NULL, 'b' },
	{ "rate", required_argument, NULL, 'r' },
	{ "domains", required_argument, NULL, 'd' },
	{ "domain", required_argument, NULL, 'D' },
	{ "aside", required_argument, NULL, 'a' },
	{ "aside-every", required_argument, NULL, 'e' },
	{ "idle", no_argument, NULL, 'i' },
	{ "plain", no_argument, NULL, 'P' },
	{ "out", required_argument, NULL, 'o' },
	{ 0 },
};

static const char usage[] =
	"usage: bench-load --port N --user APP --secret S --out FILE [options]\n"
	"  --user and --secret may come several times: the connections take turns\n"
	"  --from ADDRESS      sender of envelope and header (bench@shop.example)\n"
	"  --prefix TEXT       of the messages' tokens (m)\n"
	"  --connections N     open at a time (20)\n"
	"  --count N           messages (1000)\n"
	"  --bytes N           size of a message (5000)\n"
	"  --rate N            messages a second, open loop; 0 = as fast as they go (0)\n"
	"  --domains N         recipient domains d0.DOMAIN to dN-1.DOMAIN (20)\n"
	"  --domain NAME       parent of the recipient domains (customer.example)\n"
	"  --aside NAME        parent of the recipient domains of some of the messages\n"
	"  --aside-every N     every N-th goes there (0: none)\n"
	"  --plain             no TLS, no AUTH: straight into a destination\n"
	"  --idle              log in, say when all are in, and stay until SIGTERM\n";

static bool parse(int argc, char **argv, struct load_plan *plan)
{
	for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		long number = optarg ? strtol(optarg, NULL, 10) : 0;
		switch (option) {
		case 'p':
			plan->port = (unsigned short)number;
			break;
		case 'u':
			if (plan->login_count == LOAD_LOGINS)
				return false;
			plan->logins[plan->login_count++].user = optarg;
			break;
		case 's':
			if (!plan->login_count)
				return false;
			plan->logins[plan->login_count - 1].secret = optarg;
			break;
		case 'f':
			plan->from = optarg;
			break;
		case 't':
			plan->prefix = optarg;
			break;
		case 'c':
			plan->connections = (size_t)number;
			break;
		case 'n':
			plan->count = (size_t)number;
			break;
		case 'b':
			plan->bytes = (size_t)number;
			break;
		case 'r':
			plan->rate = strtod(optarg, NULL);
			break;
		case 'd':
			plan->domains = (unsigned)number;
			break;
		case 'D':
			plan->domain = optarg;
			break;
		case 'a':
			plan->aside = optarg;
			break;
		case 'e':
			plan->aside_every = (size_t)number;
			break;
		case 'P':
			plan->is_plain = true;
			break;
		case 'i':
			plan->is_idle = true;
			break;
		case 'o':
			plan->out = optarg;
			break;
		default:
			return false;
		}
	}
	for (size_t i = 0; i < plan->login_count; i++)
		if (!plan->logins[i].secret)
			return false;
	return plan->port && plan->login_count && plan->out;
}

int main(int argc, char **argv)
{
	struct load_plan plan = {
		.from = "bench@shop.example",
		.prefix = "m",
		.connections = 20,
		.count = 1000,
		.bytes = 5000,
		.domains = 20,
		.domain = "customer.example",
	};
	if (!parse(argc, argv, &plan)) {
		fputs(usage, stderr);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	thread_answer();
	return load_run(&plan);
}
