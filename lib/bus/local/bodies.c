/* SPDX-License-Identifier: MIT */
#include "lib/bus/local/bodies.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/bus/local/database.h"
#include "lib/chaos.h"
#include "lib/memory.h"

/* From here on a writer begins another file. */
#define FILE_BYTES ((int64_t)64 << 20)
/* A file grows by so much at a time, for a sync that makes it longer costs half as much
 * again as one that does not, and waits for what others write. */
#define FILL_BYTES ((int64_t)1 << 20)
/* For larger bodies that does not pay: their zeros cost more than the sync saves. */
#define FILL_MOST (64 << 10)

/* Open and locked, in the bus's list. */
struct body_file {
	struct body_file *next;
	int64_t number;
	int fd;
	unsigned holders; /* guarded by the bus's lock, as the list is */
};

void body_file_path(const struct local_bus *bus, int64_t number, char *path, size_t size)
{
	snprintf(path, size, "%s/bodies.%016" PRIx64, bus->folder, (uint64_t)number);
}

int64_t body_file_number(const char *name)
{
	int64_t number = 0;
	char copy[32];
	if (sscanf(name, "bodies.%16" SCNx64, (uint64_t *)&number) != 1 || number <= 0)
		return 0;
	snprintf(copy, sizeof(copy), "bodies.%016" PRIx64, (uint64_t)number);
	return strcmp(copy, name) == 0 ? number : 0;
}

static bool explain(const struct local_bus *bus, int64_t number, struct fault *fault)
{
	char path[PATH_MAX];
	int error = errno;
	body_file_path(bus, number, path, sizeof(path));
	return fault_temporary(fault, "%s: %s", path, strerror(error));
}

/* A sweep may delete it between open() and flock(). */
static int open_locked(const struct local_bus *bus, int64_t number, int flags)
{
	char path[PATH_MAX];
	struct stat facts;
	body_file_path(bus, number, path, sizeof(path));
	int fd = open(path, flags | O_CLOEXEC), error = errno;
	if (fd < 0)
		return -1;
	if (flock(fd, LOCK_SH) < 0 || fstat(fd, &facts) < 0)
		error = errno;
	else if (facts.st_nlink == 0)
		error = ENOENT;
	else
		return fd;
	close(fd);
	errno = error;
	return -1;
}

static struct body_file *open_file(struct local_bus *bus, int64_t number, int flags)
{
	int fd = open_locked(bus, number, flags);
	if (fd < 0)
		return NULL;
	struct body_file *file = NEW(struct body_file);
	pthread_mutex_lock(&bus->lock);
	*file = (struct body_file){ bus->bodies, number, fd, 1 };
	bus->bodies = file;
	pthread_mutex_unlock(&bus->lock);
	return file;
}

/* NULL, and errno, if it can't be had. */
static struct body_file *hold_number(struct local_bus *bus, int64_t number)
{
	pthread_mutex_lock(&bus->lock);
	struct body_file *file = bus->bodies;
	while (file && file->number != number)
		file = file->next;
	if (file)
		file->holders++;
	pthread_mutex_unlock(&bus->lock);
	return file ? file : open_file(bus, number, O_RDONLY);
}

void body_hold(struct local_bus *bus, struct body_file *file)
{
	pthread_mutex_lock(&bus->lock);
	file->holders++;
	pthread_mutex_unlock(&bus->lock);
}

void body_let_go(struct local_bus *bus, struct body_file *file)
{
	if (!file)
		return;
	pthread_mutex_lock(&bus->lock);
	bool is_last = --file->holders == 0;
	struct body_file **at = &bus->bodies;
	while (is_last && *at != file)
		at = &(*at)->next;
	if (is_last)
		*at = file->next;
	pthread_mutex_unlock(&bus->lock);
	if (!is_last)
		return;
	close(file->fd);
	free(file);
}

/* Fewer bytes than asked for: the file is cut off. -1: it can't be read. */
static int64_t read_all(int fd, char *into, int64_t size, int64_t at)
{
	int64_t done = 0;
	while (done < size) {
		ssize_t count = pread(fd, into + done, size - done, at + done);
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return -1;
		if (count == 0)
			break;
		done += count;
	}
	return done;
}

/* Holds the file, unless the body can be left out. */
static bool find_body(struct local_bus *bus, sqlite3_stmt *row, int column,
	struct stored *stored, struct fault *fault)
{
	struct body_place *place = &stored->body;
	*place = (struct body_place){ sqlite3_column_int64(row, column),
		sqlite3_column_int64(row, column + 1),
		sqlite3_column_int64(row, column + 2) };
	if (place->file <= 0 || place->at < 0 || place->size <= 0 ||
		(uint64_t)place->size > bus->value_ceiling)
		return true;
	stored->file = hold_number(bus, place->file);
	return stored->file || errno == ENOENT || explain(bus, place->file, fault);
}

bool stored_read(struct local_bus *bus, sqlite3_stmt *row, int column,
	struct stored *ret_stored, struct fault *fault)
{
	struct slice key = column_slice(row, column),
		     value = column_slice(row, column + 1);
	*ret_stored = (struct stored){ .file = NULL };
	if (!find_body(bus, row, column + 2, ret_stored, fault))
		return false;
	struct body_file *file = ret_stored->file;
	int64_t size = file ? ret_stored->body.size : 0;
	char *bytes = memory_new(key.size + value.size + size + 1);
	int64_t read = file ? read_all(file->fd, bytes + key.size + value.size, size,
				      ret_stored->body.at)
			    : 0;
	if (read < 0) {
		explain(bus, file->number, fault);
		free(bytes);
		body_let_go(bus, file);
		return false;
	}
	if (key.size)
		memcpy(bytes, key.data, key.size);
	if (value.size)
		memcpy(bytes + key.size, value.data, value.size);
	ret_stored->bytes = bytes;
	ret_stored->key = (struct slice){ bytes, key.size };
	ret_stored->value = (struct slice){ bytes + key.size, value.size + read };
	ret_stored->is_cut = ret_stored->body.file && read != ret_stored->body.size;
	return true;
}

/* A file's name must be on disk before a record refers to it. */
static bool begin_file(
	struct local_bus *bus, struct body_writer *writer, struct fault *fault)
{
	char path[PATH_MAX];
	int64_t number;
	arc4random_buf(&number, sizeof(number));
	number = (number & INT64_MAX) | 1;
	body_file_path(bus, number, path, sizeof(path));
	local_create_file(bus->folder, path);
	*writer = (struct body_writer){ .file = open_file(bus, number, O_RDWR) };
	if (!writer->file)
		return explain(bus, number, fault);
	return local_sync_folder(bus->folder, fault);
}

static bool write_all(int fd, struct slice bytes, int64_t at)
{
	while (bytes.size) {
		ssize_t count = pwrite(fd, bytes.data, bytes.size, at);
		if (count < 0 && errno != EINTR)
			return false;
		if (count > 0) {
			bytes = slice_skip(bytes, count);
			at += count;
		}
	}
	return true;
}

/* Room for so many bytes more. */
static bool fill(struct body_writer *writer, size_t size)
{
	static const char zeros[64 << 10];
	int64_t wanted = writer->end + (int64_t)size;
	if (wanted <= writer->filled || size >= FILL_MOST)
		return true;
	int64_t at = writer->filled > writer->end ? writer->filled : writer->end;
	for (; at < wanted + FILL_BYTES; at += sizeof(zeros))
		if (!write_all(
			    writer->file->fd, (struct slice){ zeros, sizeof(zeros) }, at))
			return false;
	writer->filled = at;
	return fdatasync(writer->file->fd) == 0;
}

bool body_append(struct local_bus *bus, struct body_writer *writer, struct slice body,
	struct body_place *ret_place, struct fault *fault)
{
	if (!writer->file && !begin_file(bus, writer, fault)) {
		body_writer_close(bus, writer);
		return false;
	}
	/* What came so far is written over by the next. */
	if (!fill(writer, body.size) || !write_all(writer->file->fd, body, writer->end))
		return explain(bus, writer->file->number, fault);
	*ret_place = (struct body_place){ writer->file->number, writer->end, body.size };
	writer->end += body.size;
	return true;
}

bool body_sync(struct local_bus *bus, struct body_writer *writer, struct fault *fault)
{
	if (IS_BROKEN("no_sync") || fdatasync(writer->file->fd) == 0)
		return true;
	explain(bus, writer->file->number, fault);
	body_writer_close(bus, writer);
	return false;
}

void body_writer_turn(struct local_bus *bus, struct body_writer *writer)
{
	if (writer->end >= FILE_BYTES)
		body_writer_close(bus, writer);
}

void body_writer_close(struct local_bus *bus, struct body_writer *writer)
{
	if (writer->file)
		(void)!ftruncate(writer->file->fd, writer->end);
	body_let_go(bus, writer->file);
	*writer = (struct body_writer){ 0 };
}
