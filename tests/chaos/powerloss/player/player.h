/* SPDX-License-Identifier: MIT
 *
 * The players of tests/chaos/powerloss/run: processes on a bus of the local engine, or
 * with a delivery record. What they ask for and are told goes as marks into the log of
 * libpowerloss.so, in one order with what reaches the files. They judge nothing. */
#ifndef TESTS_CHAOS_POWERLOSS_PLAYER_PLAYER_H
#define TESTS_CHAOS_POWERLOSS_PLAYER_PLAYER_H

/* To standard output where nothing is logged. */
void mark(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* As main.c's usage says; the exit status. */
int play_bus(int argc, char **argv);
int play_record(int argc, char **argv);

#endif
