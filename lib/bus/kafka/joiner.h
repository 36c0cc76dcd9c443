/* SPDX-License-Identifier: MIT
 *
 * Puts large values together. Pieces of a value come before its head, which names their
 * offsets; the joiner keeps the pieces it has seen lately, within a ceiling. A piece that
 * is no longer kept isn't lost: its offset says where to read it again. So a publisher
 * that died between pieces and head leaves nothing to wait for. No I/O. */
#ifndef LIB_BUS_KAFKA_JOINER_H
#define LIB_BUS_KAFKA_JOINER_H

#include "lib/bus/kafka/record.h"

struct kafka_joiner;

/* Room for a value of `ceiling` bytes in pieces. */
#define KAFKA_JOINER_SIZE(ceiling) ((ceiling) + (ceiling) / 8 + ((size_t)1 << 20))

enum kafka_joined {
	KAFKA_JOINED,  /* head->value is the whole value now */
	KAFKA_MISSING, /* pieces have to be read again */
	KAFKA_DAMAGED, /* head and pieces don't belong together */
};

/* `ceiling`: bytes of pieces kept at most, and of a joined value. */
struct kafka_joiner *kafka_joiner_new(size_t ceiling);
void kafka_joiner_free(struct kafka_joiner *joiner);
/* Takes the piece over. */
void kafka_joiner_keep(
	struct kafka_joiner *joiner, struct kafka_record *piece, int64_t now_ms);
/* On KAFKA_JOINED the pieces are no longer kept. */
enum kafka_joined kafka_joiner_join(
	struct kafka_joiner *joiner, struct kafka_record *head);
/* Drops what was kept before that time. */
void kafka_joiner_expire(struct kafka_joiner *joiner, int64_t before_ms);
size_t kafka_joiner_size(const struct kafka_joiner *joiner);

#endif
