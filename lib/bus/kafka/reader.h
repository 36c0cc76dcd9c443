/* SPDX-License-Identifier: MIT
 *
 * A reader is one member of a group: one consumer for all its lanes, with a queue for
 * each partition it is given, so that it can choose whose record comes next. reader.c has
 * its life and its deliveries, take.c whose turn it is, group.c what the group gives it
 * and takes away, and its position. */
#ifndef LIB_BUS_KAFKA_READER_H
#define LIB_BUS_KAFKA_READER_H

#include "lib/bus/kafka/joiner.h"
#include "lib/bus/kafka/kafka.h"
#include "lib/bus/kafka/position.h"

struct kafka_delivery;
struct kafka_reader;

/* One partition, while it is this member's or records of it are in hand. */
struct kafka_partition {
	struct kafka_partition *next; /* of its lane */
	struct kafka_lane *lane;
	unsigned stream;
	int32_t number;
	bool is_assigned;
	rd_kafka_queue_t *queue;   /* while it is assigned */
	rd_kafka_message_t *ahead; /* out of the queue, not looked at */
	struct kafka_position position;
	unsigned epoch;    /* grows when the partition begins anew with lower offsets */
	int64_t committed; /* the base that was committed last; -1 = none, or not sure */
	unsigned in_hand;
};

struct kafka_lane {
	char *topic;
	bool is_compacted;
	unsigned weight;
	int credit; /* smooth weighted turns */
	bool is_dry;
	unsigned in_hand;
	size_t in_hand_bytes;
	struct kafka_partition *partitions, *turn;
};

enum kafka_membership {
	KAFKA_OUTSIDE, /* has no partitions (yet, or between two assignments) */
	KAFKA_OFFERED, /* asks how far the group has come in those it is offered */
	KAFKA_ASSIGNED,
	KAFKA_GIVING_UP, /* takes nothing more; waits for what is in hand */
};

struct kafka_reader_plan {
	const struct bus_subscription *subscription;
	bus_taken *taken;
	void *with;
	/* Of one lane in hand at most; 0 = no such limit. */
	unsigned lane_window;
	size_t lane_window_bytes;
	/* Set: the mover's. Takes what is for other groups too; what is in hand of a
	 * partition that is taken away is dropped, after this call. NULL: it is waited
	 * for, and stays in hand. */
	void (*dropped)(void *with, struct bus_delivery *delivery);
	/* The mover's too: is it at work on what it has in hand? That is waited for. */
	bool (*is_at_work)(void *with);
};

struct kafka_reader {
	struct bus_reader reader;
	struct kafka_reader *next; /* of the bus */
	struct kafka *kafka;
	struct kafka_reader_plan plan; /* without the subscription */
	char *group;
	unsigned window;
	size_t window_bytes;
	struct kafka_lane *lanes;
	size_t lane_count;
	struct kafka_joiner *joiner;
	struct kafka_delivery *deliveries; /* in hand */
	unsigned in_hand;
	size_t in_hand_bytes;
	unsigned streams; /* given out so far */
	bool is_paused, is_closed;
	bool is_static;  /* has a group.instance.id */
	bool is_calling; /* its taker; it must not be freed meanwhile */

	struct kafka_client *client; /* NULL until it is opened again */
	struct kafka_errand *ensuring;
	struct timer *again; /* opens or ensures again */
	enum kafka_membership membership;
	int64_t begin_ms; /* takes from then on, or once all lanes have records */
	rd_kafka_topic_partition_list_t *offered; /* to be asked about once more */
	struct kafka_errand *asking;              /* for committed offsets */
	struct timer *step;                       /* of the membership */
	int64_t give_up_ms;
	struct timer *commit;
	int64_t commit_ms; /* when it was done last */
};

struct kafka_delivery {
	struct bus_delivery delivery;
	struct kafka_delivery *previous, *next; /* in hand */
	struct kafka_partition *partition;
	unsigned epoch; /* of the partition when it was taken */
	struct kafka_record *record;
	size_t size;
	int64_t due_ms; /* once it has been returned */
	bool is_returned;
	struct kafka_returning *returning; /* its republishing */
	struct kafka_refetch *refetch;     /* of its pieces */
};

struct kafka_reader *kafka_reader_open(
	struct kafka *kafka, const struct kafka_reader_plan *plan, struct fault *fault);
void kafka_reader_close(struct kafka_reader *reader);
/* Once a second. */
void kafka_reader_tick(struct kafka_reader *reader);

/* The engine's functions. */
void kafka_settle(struct bus_delivery *delivery);
void kafka_give_back(struct bus_delivery *delivery, int64_t due_ms);
void kafka_pause(struct bus_reader *reader);

/* Among the three files. */
extern const struct kafka_client_calls kafka_reader_calls;
void kafka_reader_ready(void *reader);
void kafka_reader_give(struct kafka_reader *reader, struct kafka_partition *partition,
	struct kafka_record *record, bool is_complete);
void kafka_reader_end(struct kafka_delivery *delivery, bool is_settled);
/* Takes as much as the window allows. */
void kafka_reader_take(struct kafka_reader *reader);

void kafka_group_rebalanced(void *reader, rd_kafka_resp_err_t what,
	const rd_kafka_topic_partition_list_t *partitions);
void kafka_group_committed(void *reader, rd_kafka_resp_err_t err);
void kafka_group_step(void *reader);
/* A record is no longer in hand. */
void kafka_group_settled(struct kafka_reader *reader, struct kafka_partition *partition);
void kafka_group_commit(void *reader);
/* All partitions are taken away, whether in hand or not. */
void kafka_group_lose(struct kafka_reader *reader);
/* Of one that isn't assigned and has nothing in hand. */
void kafka_partition_drop(struct kafka_partition *partition);

#endif
