/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/bus/local/bodies.h"
#include "lib/bus/local/database.h"
#include "lib/chaos.h"
#include "lib/memory.h"

#define SWEEP_S 60
/* Only whole blocks of the file system are given back, and only if it is worth it. */
#define BLOCK_BYTES 4096
#define WORTH_BYTES (1 << 20)

/* A topic's records, opened once in a sweep. */
struct shelf {
	struct shelf *next;
	char *topic;
	struct bell bell;
	struct database records;
};

struct sweep {
	struct local_bus *bus;
	struct shelf *shelves;
};

/* What of a file is referred to. */
struct live {
	struct body_place *places;
	size_t count, room;
};

static struct shelf *shelf_open(
	struct sweep *sweep, struct slice topic, struct fault *fault)
{
	struct shelf *shelf = NEW(struct shelf);
	*shelf = (struct shelf){
		.next = sweep->shelves, .topic = memory_string(topic), .bell.fd = -1
	};
	sweep->shelves = shelf;
	struct topic_place place = local_place(sweep->bus, shelf->topic, &shelf->bell);
	bool is_open = bell_open(&shelf->bell, place.folder, place.topic, fault) &&
		       database_open(
			       &shelf->records, &place, DATABASE_RECORDS_READER, fault);
	return is_open ? shelf : NULL;
}

static void sweep_close(struct sweep *sweep)
{
	while (sweep->shelves) {
		struct shelf *shelf = sweep->shelves;
		sweep->shelves = shelf->next;
		database_close(&shelf->records);
		bell_close(&shelf->bell);
		free(shelf->topic);
		free(shelf);
	}
}

static bool is_open(const struct sweep *sweep, struct slice topic)
{
	for (const struct shelf *shelf = sweep->shelves; shelf; shelf = shelf->next)
		if (slice_equal(slice_of(shelf->topic), topic))
			return true;
	return false;
}

/* All topics that there are by now. */
static bool open_shelves(struct sweep *sweep, struct fault *fault)
{
	DIR *folder = opendir(sweep->bus->folder);
	if (!folder)
		return fault_temporary(
			fault, "%s: %s", sweep->bus->folder, strerror(errno));
	bool is_good = true;
	for (struct dirent *entry; is_good && (entry = readdir(folder));) {
		struct slice topic = local_topic_of(entry->d_name);
		if (topic.size && !is_open(sweep, topic))
			is_good = shelf_open(sweep, topic, fault) != NULL;
	}
	closedir(folder);
	return is_good;
}

/* A power cut must not bring back records that refer to what is deleted next. */
static bool sync_shelves(struct sweep *sweep, struct fault *fault)
{
	bool is_good = true;
	for (struct shelf *s = sweep->shelves; s && is_good; s = s->next)
		is_good = database_sync(&s->records, fault);
	return is_good;
}

/* Bodies die in the order of their age, more or less: while the first of a file is in
 * use, the others are not looked at. */
static bool is_first_in_use(
	struct sweep *sweep, int64_t number, bool *ret_is, struct fault *fault)
{
	int64_t found = 0;
	bool is_good = true;
	for (struct shelf *s = sweep->shelves; s && is_good && !found; s = s->next)
		is_good = database_number(&s->records, fault, &found,
			"SELECT EXISTS (SELECT 1 FROM record WHERE body_file = ?1 AND"
			" body_at = 0)",
			"i", number);
	*ret_is = found;
	return is_good;
}

static void add(struct live *live, struct body_place place)
{
	if (live->count == live->room) {
		live->room = live->room ? live->room * 2 : 256;
		live->places = memory_resize(
			live->places, live->room * sizeof(*live->places));
	}
	live->places[live->count++] = place;
}

static bool find_live(
	struct sweep *sweep, int64_t number, struct live *live, struct fault *fault)
{
	for (struct shelf *shelf = sweep->shelves; shelf; shelf = shelf->next) {
		bool is_done = false;
		sqlite3_stmt *row = database_query(&shelf->records, fault,
			"SELECT body_at, body_size FROM record WHERE body_file = ?1", "i",
			number);
		if (!row)
			return false;
		while (database_row(&shelf->records, row, &is_done, fault))
			add(live,
				(struct body_place){ number, sqlite3_column_int64(row, 0),
					sqlite3_column_int64(row, 1) });
		if (!is_done)
			return false;
	}
	return true;
}

static int by_place(const void *a, const void *b)
{
	const struct body_place *left = a, *right = b;
	return (left->at > right->at) - (left->at < right->at);
}

/* Where the file system can't do it, nothing is lost but space. */
static void punch(int fd, int64_t from, int64_t to)
{
	from = (from + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
	to = to / BLOCK_BYTES * BLOCK_BYTES;
	if (from < to)
		fallocate(
			fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from, to - from);
}

static void give_back_dead(int fd, const struct stat *facts, struct live *live)
{
	int64_t end = 0, bytes = 0;
	qsort(live->places, live->count, sizeof(*live->places), by_place);
	for (size_t i = 0; i < live->count; i++)
		if (i == 0 || live->places[i].at != live->places[i - 1].at)
			bytes += live->places[i].size;
	if ((int64_t)facts->st_blocks * 512 < bytes * 2 + WORTH_BYTES)
		return;
	for (size_t i = 0; i < live->count; i++) {
		const struct body_place *place = &live->places[i];
		punch(fd, end, place->at);
		if (place->at + place->size > end)
			end = place->at + place->size;
	}
	punch(fd, end, facts->st_size);
}

/* The file is locked: nobody can move a reference to it from a topic that was looked at
 * already to one that was not, for that takes holding it. */
static bool sweep_locked(struct sweep *sweep, int64_t number, const char *path, int fd,
	struct fault *fault)
{
	struct stat facts;
	struct live live = { .count = 0 };
	bool is_in_use = false;
	/* One that was just made may not be held by its writer yet. */
	if (fstat(fd, &facts) < 0 || facts.st_nlink == 0 ||
		facts.st_mtime > time(NULL) - SWEEP_S)
		return true;
	bool is_good = open_shelves(sweep, fault) &&
		       is_first_in_use(sweep, number, &is_in_use, fault) &&
		       (is_in_use || (find_live(sweep, number, &live, fault) &&
					     sync_shelves(sweep, fault)));
	if (is_good && !is_in_use && live.count == 0)
		unlink(path);
	else if (is_good && !is_in_use)
		give_back_dead(fd, &facts, &live);
	free(live.places);
	return is_good;
}

static bool sweep_file(struct sweep *sweep, int64_t number, struct fault *fault)
{
	char path[PATH_MAX];
	body_file_path(sweep->bus, number, path, sizeof(path));
	int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return true;
	bool is_good = flock(fd, LOCK_EX | LOCK_NB) < 0 ||
		       sweep_locked(sweep, number, path, fd, fault);
	close(fd);
	return is_good;
}

static bool sweep_all(struct sweep *sweep, struct fault *fault)
{
	bool is_good = true;
	DIR *folder = opendir(sweep->bus->folder);
	for (struct dirent *entry; is_good && folder && (entry = readdir(folder));) {
		int64_t number = body_file_number(entry->d_name);
		is_good = !number || sweep_file(sweep, number, fault);
	}
	if (folder)
		closedir(folder);
	return is_good;
}

/* -1: somebody else does it, or has just done it. */
static int take_turn(const struct local_bus *bus)
{
	char path[PATH_MAX];
	struct stat facts;
	snprintf(path, sizeof(path), "%s/bodies.swept", bus->folder);
	local_create_file(bus->folder, path);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -1;
	bool is_ours = flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &facts) == 0 &&
		       (facts.st_size == 0 || facts.st_mtime <= time(NULL) - SWEEP_S);
	if (is_ours && pwrite(fd, "\n", 1, 0) == 1)
		return fd;
	close(fd);
	return -1;
}

bool bodies_sweep(struct local_bus *bus, struct fault *fault)
{
	struct sweep sweep = { .bus = bus };
	int turn = take_turn(bus);
	if (turn < 0)
		return true;
	bool is_good = sweep_all(&sweep, fault);
	sweep_close(&sweep);
	close(turn);
	return is_good;
}

int64_t bodies_on_disk(const struct local_bus *bus)
{
	int64_t bytes = 0;
	DIR *folder = opendir(bus->folder);
	for (struct dirent *entry; folder && (entry = readdir(folder));) {
		struct stat facts;
		if (body_file_number(entry->d_name) &&
			fstatat(dirfd(folder), entry->d_name, &facts, 0) == 0)
			bytes += (int64_t)facts.st_blocks * 512;
	}
	if (folder)
		closedir(folder);
	return bytes;
}
