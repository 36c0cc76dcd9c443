/* SPDX-License-Identifier: MIT
 *
 * Due times over Kafka, which has none: a record that isn't due yet goes to one of a few
 * retry topics, each with a fixed delay and one partition, so that what was written first
 * is ready first. Every process that subscribes to anything also runs a mover, from a
 * second later on; together they are one group. A mover takes a record once its delay is
 * over and publishes it where it belongs, or for the rest of the wait to a retry topic
 * with a shorter delay; only when that is durable it settles. */
#ifndef LIB_BUS_KAFKA_MOVER_H
#define LIB_BUS_KAFKA_MOVER_H

#include "lib/bus/kafka/kafka.h"

/* This process subscribes. */
void kafka_mover_start(struct kafka *kafka);
void kafka_mover_close(struct kafka *kafka);

#endif
