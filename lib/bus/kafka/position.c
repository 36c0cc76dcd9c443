/* SPDX-License-Identifier: MIT */
#include "lib/bus/kafka/position.h"

#include <assert.h>
#include <stdlib.h>

#include "lib/memory.h"

struct kafka_taken {
	int64_t offset;
	bool is_settled;
};

void kafka_position_init(struct kafka_position *position, int64_t offset)
{
	*position = (struct kafka_position){ .base = offset, .next = offset };
}

void kafka_position_done(struct kafka_position *position)
{
	free(position->taken);
	*position = (struct kafka_position){ .base = -1, .next = -1 };
}

static struct kafka_taken *taken_at(const struct kafka_position *position, size_t index)
{
	return &position->taken[(position->first + index) % position->room];
}

static void grow(struct kafka_position *position)
{
	size_t room = position->room ? position->room * 2 : 16;
	struct kafka_taken *taken = NEW_ARRAY(struct kafka_taken, room);
	for (size_t i = 0; i < position->count; i++)
		taken[i] = *taken_at(position, i);
	free(position->taken);
	position->taken = taken;
	position->first = 0;
	position->room = room;
}

void kafka_position_take(struct kafka_position *position, int64_t offset)
{
	assert(offset >= position->next);
	if (position->count == position->room)
		grow(position);
	if (position->count == 0)
		position->base = offset;
	*taken_at(position, position->count++) = (struct kafka_taken){ offset, false };
	position->next = offset + 1;
}

void kafka_position_pass(struct kafka_position *position, int64_t offset)
{
	assert(offset >= position->next);
	position->next = offset + 1;
	if (position->count == 0)
		position->base = position->next;
}

static struct kafka_taken *find(const struct kafka_position *position, int64_t offset)
{
	size_t low = 0, high = position->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		struct kafka_taken *taken = taken_at(position, middle);
		if (taken->offset == offset)
			return taken;
		if (taken->offset < offset)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static void move_base(struct kafka_position *position)
{
	while (position->count && taken_at(position, 0)->is_settled) {
		position->first = (position->first + 1) % position->room;
		position->count--;
	}
	position->base = position->count ? taken_at(position, 0)->offset : position->next;
}

bool kafka_position_settle(struct kafka_position *position, int64_t offset)
{
	struct kafka_taken *taken = find(position, offset);
	if (!taken || taken->is_settled)
		return false;
	taken->is_settled = true;
	int64_t base = position->base;
	move_base(position);
	return position->base != base;
}

void kafka_position_skip(struct kafka_position *position, int64_t offset)
{
	for (size_t i = 0; i < position->count; i++)
		if (taken_at(position, i)->offset < offset)
			taken_at(position, i)->is_settled = true;
	if (position->next < offset)
		position->next = offset;
	move_base(position);
}

size_t kafka_position_span(const struct kafka_position *position)
{
	return position->count;
}
