/* SPDX-License-Identifier: MIT
 *
 * The local engine on a disk that keeps only what POSIX promises: a file's content as of
 * its last fsync, a folder's names as of its own last fsync. fsync and fdatasync are
 * defined here, SQLite's calls included; in a child that asks for it they note aside what
 * would survive a power cut. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bus_rig.h"
#include "lib/memory.h"

static struct rig rig;
/* Where what survives is noted; empty = not. */
static char disk[128];

static void copy(int from, const char *path)
{
	char fresh[256], block[65536];
	snprintf(fresh, sizeof(fresh), "%s.%d", path, gettid());
	int to = open(fresh, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ssize_t size;
	for (off_t at = 0; (size = pread(from, block, sizeof(block), at)) > 0; at += size)
		if (write(to, block, size) != size)
			abort();
	close(to);
	rename(fresh, path);
}

/* The names and inodes of the folder, as lines. */
static void copy_names(int folder, const char *path)
{
	char fresh[256], self[64];
	snprintf(fresh, sizeof(fresh), "%s.%d", path, gettid());
	snprintf(self, sizeof(self), "/proc/self/fd/%d", folder);
	FILE *names = fopen(fresh, "w");
	DIR *list = opendir(self);
	for (struct dirent *entry; (entry = readdir(list));)
		if (entry->d_type == DT_REG)
			fprintf(names, "%llu %s\n", (unsigned long long)entry->d_ino,
				entry->d_name);
	closedir(list);
	fclose(names);
	rename(fresh, path);
}

static void note(int fd)
{
	struct stat facts;
	char path[200];
	if (!*disk || fstat(fd, &facts) < 0)
		return;
	if (S_ISDIR(facts.st_mode)) {
		snprintf(path, sizeof(path), "%s/names", disk);
		copy_names(fd, path);
	} else {
		snprintf(path, sizeof(path), "%s/%llu", disk,
			(unsigned long long)facts.st_ino);
		copy(fd, path);
	}
}

int fsync(int fd)
{
	note(fd);
	return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
	note(fd);
	return (int)syscall(SYS_fdatasync, fd);
}

/* The bus folder as the power cut leaves it. */
static void cut_power(void)
{
	char path[256], command[600], name[200];
	unsigned long long inode;
	snprintf(command, sizeof(command), "rm -rf %s && mkdir -m 700 %s", rig.folder,
		rig.folder);
	ck_assert_int_eq(system(command), 0);
	snprintf(path, sizeof(path), "%s/names", disk);
	FILE *names = fopen(path, "r");
	ck_assert_ptr_nonnull(names);
	while (fscanf(names, "%llu %199s", &inode, name) == 2) {
		snprintf(command, sizeof(command),
			"cp %s/%llu %s/%s 2>/dev/null || : > %s/%s", disk, inode,
			rig.folder, name, rig.folder, name);
		ck_assert_int_eq(system(command), 0);
	}
	fclose(names);
}

struct flood {
	struct rig *rig;
	const char *topic;
	int fd, next;
};

static void tell_durable(void *with, const struct fault *fault)
{
	struct flood *flood = with;
	ck_assert_ptr_null(fault);
	child_say(flood->fd, "%d", flood->next++);
}

static void publish_on_noted_disk(struct rig *child, int fd, void *with)
{
	struct flood flood = { .rig = child, .topic = with, .fd = fd };
	struct takes takes = { .keeps = true };
	takes_subscribe(&takes, child, "g", with, 100);
	char value[4000];
	memset(value, 'x', sizeof(value));
	for (int i = 0;; i++) {
		snprintf(value, sizeof(value), "%d", i);
		bus_publish(child->bus,
			&(struct bus_record){ .topic = with,
				.key = SLICE("app/1"),
				.value = { value, sizeof(value) } },
			tell_durable, &flood);
		while (i - flood.next > 50)
			rig_turn(child, 1);
	}
}

START_TEST(what_was_reported_durable_outlives_a_power_cut)
{
	/* From the first commits to beyond the first checkpoints and restarts of the WAL.
	 */
	static const int counts[] = { 1, 5, 60, 700, 3000 };
	rig_plan(&rig, RIG_LOCAL);
	const char *topic = rig_topic(&rig, "power");
	snprintf(disk, sizeof(disk), "%s-disk", rig.folder);
	ck_assert_int_eq(mkdir(disk, 0700), 0);
	struct child child;
	child_start(&child, &rig, publish_on_noted_disk, (void *)topic);
	char line[256];
	int last = -1;
	while (last < counts[_i] && child_hear(&child, &rig, line))
		last = (int)strtol(line, NULL, 10);
	/* What it says after this is a bonus; what it has said counts. */
	child_kill(&child);
	ck_assert_int_ge(last, counts[_i]);
	cut_power();
	char remove[256];
	snprintf(remove, sizeof(remove), "rm -rf %s", disk);
	*disk = '\0';
	ck_assert_int_eq(system(remove), 0);
	rig_open(&rig);
	struct takes takes = { 0 };
	takes_subscribe(&takes, &rig, "g", topic, 100);
	RIG_UNTIL(&rig, takes.count > (size_t)last);
	char *found = memory_new(takes.count);
	for (size_t i = 0; i < takes.count; i++) {
		size_t value = strtoul(takes.rows[i].value, NULL, 10);
		if (value < takes.count)
			found[value] = 1;
	}
	for (int i = 0; i <= last; i++)
		ck_assert_msg(found[i], "%d was reported durable and is lost", i);
	free(found);
	rig_publish(&rig, topic, "app/1", "after");
	RIG_UNTIL(&rig, takes_of(&takes, "after") == 1);
	takes_done(&takes);
	rig_done(&rig);
}
END_TEST

Suite *bus_power_suite(void)
{
	Suite *suite = suite_create("bus power");
	TCase *tcase = tcase_create("local");
	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, what_was_reported_durable_outlives_a_power_cut, 0, 5);
	suite_add_tcase(suite, tcase);
	return suite;
}
