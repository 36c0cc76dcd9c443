/* SPDX-License-Identifier: MIT */
#include <check.h>

#include "services/scanner/worker/ledger.h"

enum { END, SEE, PROMISE, EXCUSE };

struct step {
	int what;
	const char *type, *name;
	uint32_t level;
	size_t size;
	unsigned position;
};

#define MAIL                                      \
	{                                         \
		SEE, "CL_TYPE_MAIL", NULL, 0, 500 \
	}
#define ZIP                                         \
	{                                           \
		SEE, "CL_TYPE_ZIP", "a.zip", 1, 300 \
	}
#define B(size)                                               \
	{                                                     \
		PROMISE, "CL_TYPE_ZIP", "b.txt", 0, (size), 1 \
	}
#define C(size)                                               \
	{                                                     \
		PROMISE, "CL_TYPE_ZIP", "c.txt", 0, (size), 2 \
	}
#define TAR(level)                                             \
	{                                                      \
		SEE, "CL_TYPE_POSIX_TAR", "x.tar", (level), 90 \
	}
#define IN_TAR(size, position)                                               \
	{                                                                    \
		PROMISE, "CL_TYPE_POSIX_TAR", "d.txt", 0, (size), (position) \
	}
#define FILE(level, size)                                           \
	{                                                           \
		SEE, "CL_TYPE_TEXT_ASCII", "b.txt", (level), (size) \
	}

static const struct {
	const char *says;
	struct step steps[10];
	const char *unread;
} rows[] = {
	{ "a mail without archives", { MAIL, FILE(1, 20) }, NULL },
	{ "a member that is seen", { MAIL, ZIP, B(20), FILE(2, 20) }, NULL },
	{ "a member announced twice", { MAIL, ZIP, B(20), B(20), FILE(2, 20) }, NULL },
	{ "a member that is not seen", { MAIL, ZIP, B(20) }, "b.txt" },
	{ "one of two members seen", { MAIL, ZIP, B(20), C(20), FILE(2, 20) }, "c.txt" },
	{ "a member of another size", { MAIL, ZIP, B(20), FILE(2, 19) }, "b.txt" },
	{ "a member too small to be looked at", { MAIL, ZIP, B(5) }, NULL },
	{ "a size that stands elsewhere", { MAIL, ZIP, B(UINT32_MAX), FILE(2, 20) },
		NULL },
	{ "the same, and the member is not seen", { MAIL, ZIP, B(UINT32_MAX) }, "b.txt" },
	{ "the same, with another file after it",
		{ MAIL, ZIP, B(UINT32_MAX), FILE(1, 20) }, "b.txt" },
	{ "a known size leaves the unknown one to others",
		{ MAIL, ZIP, B(UINT32_MAX), C(20), FILE(2, 20), FILE(2, 30) }, NULL },
	{ "one file keeps one promise", { MAIL, ZIP, B(UINT32_MAX), C(20), FILE(2, 20) },
		"b.txt" },
	{ "a size that is told the second time",
		{ MAIL, ZIP, B(UINT32_MAX), B(20), FILE(2, 20) }, NULL },
	{ "a size that is told the first time",
		{ MAIL, ZIP, B(20), B(UINT32_MAX), FILE(2, 20) }, NULL },
	{ "a size that is told after the content",
		{ MAIL, ZIP, B(20), B(0), FILE(2, 20) }, NULL },
	{ "two sizes for one member", { MAIL, ZIP, B(20), B(30), FILE(2, 20) }, "b.txt" },
	{ "a part of the mail that has a member's size",
		{ MAIL, ZIP, B(20), FILE(1, 20) }, "b.txt" },
	{ "another archive's member of the same size",
		{ MAIL, ZIP, B(20), ZIP, B(20), FILE(2, 20) }, "b.txt" },
	{ "content of a member that has another member's size",
		{ MAIL, ZIP, B(20), C(30), FILE(2, 30), FILE(3, 20) }, "b.txt" },
	{ "what is found in the midst of a closed archive", { MAIL, ZIP, FILE(3, 20) },
		"a.zip" },
	{ "an archive that was found in the midst of a file",
		{ MAIL, FILE(1, 99), IN_TAR(20, 1), FILE(3, 20) }, NULL },
	{ "the same, closed", { MAIL, FILE(1, 99), IN_TAR(20, 1), FILE(1, 20) },
		"d.txt" },
	{ "the same, in the midst of a closed archive",
		{ MAIL, ZIP, IN_TAR(20, 1), FILE(3, 20) }, "a.zip" },
	{ "a member after a tar in a tar",
		{ MAIL, TAR(1), IN_TAR(90, 1), TAR(2), IN_TAR(20, 1), FILE(3, 20),
			IN_TAR(30, 2), FILE(2, 30) },
		NULL },
	{ "the same, not seen",
		{ MAIL, TAR(1), IN_TAR(90, 1), TAR(2), IN_TAR(20, 1), FILE(3, 20),
			IN_TAR(30, 2), FILE(1, 30) },
		"d.txt" },
	{ "an archive of which nothing came", { MAIL, ZIP }, "a.zip" },
	{ "the same, with another file after it", { MAIL, ZIP, FILE(1, 20) }, "a.zip" },
	{ "the same, for a reason that is known", { MAIL, ZIP, { EXCUSE }, FILE(1, 20) },
		NULL },
	{ "an archive in an archive",
		{ MAIL, ZIP, B(40), { SEE, "CL_TYPE_GZ", "b.gz", 2, 40 }, FILE(3, 9) },
		NULL },
	{ "a closed archive in an archive",
		{ MAIL, ZIP, B(40), { SEE, "CL_TYPE_RAR", "b.rar", 2, 40 } }, "b.rar" },
	{ "what a mail announces counts for nothing",
		{ MAIL, { PROMISE, "CL_TYPE_MAIL", "attachment", 0, 20, 0 } }, NULL },
	{ "nested beyond all bounds", { MAIL, FILE(LAYERS_MAX, 20) },
		"content nested too deep" },
};

START_TEST(archives_are_held_to_what_they_announce)
{
	static char content[512];
	struct ledger ledger = { .arena = arena_new() };
	for (const struct step *step = rows[_i].steps; step->what; step++) {
		struct layer layer = { step->type, step->name, { content, step->size },
			step->level };
		if (step->what == SEE)
			ledger_see(&ledger, &layer);
		else if (step->what == PROMISE)
			ledger_promise(&ledger, &(struct member){ step->type, step->name,
							step->size, step->position });
		else
			ledger_excuse(&ledger);
	}
	const char *unread = ledger_close(&ledger);
	if (rows[_i].unread)
		ck_assert_msg(unread && slice_equal(slice_of(unread),
						slice_of(rows[_i].unread)),
			"%s: %s", rows[_i].says, unread ? unread : "nothing unread");
	else
		ck_assert_msg(!unread, "%s: %s", rows[_i].says, unread);
	arena_free(ledger.arena);
}
END_TEST

START_TEST(archives_that_libclamav_does_not_know_are_closed)
{
	struct ledger ledger = { .arena = arena_new() };
	struct layer layer = { "CL_TYPE_BINARY_DATA", "a.zst",
		SLICE("\x28\xb5\x2f\xfd and more"), 1 };
	ledger_see(&ledger, &layer);
	ck_assert_str_eq(ledger_close(&ledger), "a.zst");
	arena_free(ledger.arena);
}
END_TEST

Suite *ledger_suite(void)
{
	Suite *suite = suite_create("ledger");
	TCase *all = tcase_create("all");
	tcase_add_loop_test(all, archives_are_held_to_what_they_announce, 0,
		sizeof(rows) / sizeof(*rows));
	tcase_add_test(all, archives_that_libclamav_does_not_know_are_closed);
	suite_add_tcase(suite, all);
	return suite;
}
