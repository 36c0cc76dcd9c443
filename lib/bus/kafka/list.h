/* SPDX-License-Identifier: MIT
 *
 * The names of topics, without Kafka's own ("__…") and the engine's. */
#ifndef LIB_BUS_KAFKA_LIST_H
#define LIB_BUS_KAFKA_LIST_H

#include "lib/bus/kafka/kafka.h"

void kafka_list(struct bus *bus, const char *prefix, bus_listed *listed, void *with);
void kafka_lists_close(struct kafka *kafka);

#endif
