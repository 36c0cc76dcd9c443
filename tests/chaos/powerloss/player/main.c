/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "tests/chaos/powerloss/player/player.h"

static const char usage[] =
	"usage: powerloss-player publish FOLDER NAME SEED COUNT WINDOW\n"
	"       powerloss-player take FOLDER NAME SEED   until SIGTERM\n"
	"       powerloss-player check FOLDER LATE_MS    until the end of standard input\n"
	"       powerloss-player record FILE NAME COUNT WINDOW\n"
	"       powerloss-player recall FILE             of each id on standard input\n"
	"check writes: B TOPIC KEY ID SIZE HASH of each record there is, E TOPIC FAULT, Q\n"
	"TOPIC FAULT after publishing one more, T TOPIC ID of each that the group takes.\n"
	"The group comes to the topic brief, whose records live for 1 ms, after LATE_MS.\n"
	"recall writes: N ID NOTE, or N ID and why there is none.\n";

static const struct {
	const char *name;
	int argc;
	int (*play)(int argc, char **argv);
} parts[] = {
	{ "publish", 7, play_bus },
	{ "take", 5, play_bus },
	{ "check", 4, play_bus },
	{ "record", 6, play_record },
	{ "recall", 3, play_record },
};

int main(int argc, char **argv)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setvbuf(stdout, NULL, _IOLBF, 1 << 16);
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		if (argc == parts[i].argc && strcmp(argv[1], parts[i].name) == 0)
			return parts[i].play(argc, argv);
	fputs(usage, stderr);
	return 2;
}
