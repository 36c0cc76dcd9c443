/* SPDX-License-Identifier: MIT */
#include <check.h>

#include "services/sender/room.h"

#define MIB ((size_t)1 << 20)

static const struct {
	const char *what;
	struct room_share share;
	size_t excess;
} rows[] = {
	{ "half of what is free",
		{ 900, 600, 0, MIB, 10, .parcels = 200, .waited_ms = 1000 }, 50 },
	{ "nothing is free", { 900, 900, 0, MIB, 10, .parcels = 200, .waited_ms = 1000 },
		190 },
	{ "never less than the least",
		{ 900, 900, 0, MIB, 200, .parcels = 200, .waited_ms = 1000 }, 0 },
	{ "a burst has its grace",
		{ 900, 900, 0, MIB, 10, .parcels = 200, .waited_ms = 100 }, 0 },
	{ "a quick one hinders nobody",
		{ 900, 900, 0, MIB, 10, .parcels = 200, .per_second = 40,
			.waited_ms = 1000 },
		0 },
	{ "not quick enough",
		{ 900, 900, 0, MIB, 10, .parcels = 200, .per_second = 39,
			.waited_ms = 1000 },
		190 },
	{ "too many bytes",
		{ 900, 5, MIB, MIB, 10, .parcels = 2, .parcel_bytes = MIB,
			.waited_ms = 1000 },
		1 },
	{ "one large message is always allowed",
		{ 900, 5, 2 * MIB, MIB, 10, .parcels = 1, .parcel_bytes = 2 * MIB,
			.waited_ms = 1000 },
		0 },
	{ "more in hand than the window",
		{ 900, 901, 0, MIB, 10, .parcels = 11, .waited_ms = 1000 }, 1 },
};

START_TEST(a_slow_destination_gives_back_what_others_need)
{
	ck_assert_msg(room_excess(&rows[_i].share) == rows[_i].excess, "%s: %zu",
		rows[_i].what, room_excess(&rows[_i].share));
}
END_TEST

Suite *room_suite(void)
{
	Suite *suite = suite_create("room");
	TCase *tcase = tcase_create("room");
	tcase_add_loop_test(tcase, a_slow_destination_gives_back_what_others_need, 0,
		sizeof(rows) / sizeof(*rows));
	suite_add_tcase(suite, tcase);
	return suite;
}
