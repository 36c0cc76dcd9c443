/* SPDX-License-Identifier: MIT
 *
 * Is the broker there? Whatever it answers counts; where nothing else was asked for some
 * seconds, a probe asks. Records that are damaged or gone are counted here; they say
 * nothing against the broker. */
#ifndef LIB_BUS_KAFKA_HEALTH_H
#define LIB_BUS_KAFKA_HEALTH_H

#include "lib/bus/kafka/kafka.h"

bool kafka_is_healthy(struct bus *bus, struct fault *why);
unsigned kafka_losses(struct bus *bus, struct fault *ret_last);
/* Once a second. */
void kafka_health_tick(struct kafka *kafka);
void kafka_health_close(struct kafka *kafka);

#endif
