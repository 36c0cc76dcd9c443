/* SPDX-License-Identifier: MIT
 *
 * Following a compacted topic: all of it is read from the beginning, then what comes. */
#ifndef LIB_BUS_KAFKA_FOLLOW_H
#define LIB_BUS_KAFKA_FOLLOW_H

#include "lib/bus/kafka/kafka.h"

struct bus_follower *kafka_follow(struct bus *bus, const char *topic,
	const struct bus_follow_calls *calls, void *with, struct fault *fault);
void kafka_unfollow(struct bus_follower *follower);

#endif
