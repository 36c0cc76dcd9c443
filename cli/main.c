/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "cli/command.h"

int main(int argc, char **argv)
{
	return command_run(argc, argv, stdin, stdout, stderr);
}
