/* SPDX-License-Identifier: MIT */
#include "lib/bus/kafka/health.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/clock.h"
#include "lib/memory.h"

enum {
	PROBE_AFTER_MS = 3000, /* without any answer */
	PROBE_MS = 2000,       /* its patience */
	SILENCE_MS = 10000,    /* without an answer: not healthy */
	REFUSED_MS = 30000,    /* since the last publish failed and none was durable */
};

void kafka_note_answer(struct kafka *kafka)
{
	kafka->answered_ms = clock_monotonic_ms();
	kafka->silent_ms = 0;
}

void kafka_note_error(struct kafka *kafka, rd_kafka_resp_err_t err, const char *reason)
{
	snprintf(kafka->error, sizeof(kafka->error), "%.200s",
		reason ? reason : rd_kafka_err2str(err));
	if (err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
		kafka->silent_ms = clock_monotonic_ms();
}

void kafka_note_loss(struct kafka *kafka, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(kafka->loss, sizeof(kafka->loss), format, args);
	va_end(args);
	kafka->losses++;
}

unsigned kafka_losses(struct bus *bus, struct fault *ret_last)
{
	struct kafka *kafka = (struct kafka *)bus;
	unsigned losses = kafka->losses;
	kafka->losses = 0;
	if (losses)
		fault_permanent(ret_last, "%s", kafka->loss);
	return losses;
}

bool kafka_is_healthy(struct bus *bus, struct fault *why)
{
	struct kafka *kafka = (struct kafka *)bus;
	int64_t now_ms = clock_monotonic_ms();
	const char *error = *kafka->error ? kafka->error : "no answer yet";
	if (!kafka->answered_ms || kafka->silent_ms ||
		now_ms - kafka->answered_ms > SILENCE_MS)
		return fault_temporary(why, "Kafka at %s: %s", kafka->brokers, error);
	if (kafka->refused_ms && now_ms - kafka->refused_ms < REFUSED_MS)
		return fault_temporary(why, "Kafka at %s: %s", kafka->brokers, error);
	return true;
}

struct probe {
	struct kafka_errand errand;
	rd_kafka_t *rk;
	rd_kafka_resp_err_t err;
};

static void run_probe(struct kafka_errand *errand)
{
	struct probe *probe = (struct probe *)errand;
	const struct rd_kafka_metadata *metadata;
	probe->err = rd_kafka_metadata(probe->rk, 0, NULL, &metadata, PROBE_MS);
	if (!probe->err)
		rd_kafka_metadata_destroy(metadata);
}

static void end_probe(struct kafka_errand *errand)
{
	struct probe *probe = (struct probe *)errand;
	struct kafka *kafka = errand->owner;
	if (kafka) {
		kafka->probe = NULL;
		if (!probe->err)
			kafka_note_answer(kafka);
		else if (!kafka->silent_ms)
			kafka->silent_ms = clock_monotonic_ms();
	}
	free(probe);
}

void kafka_health_tick(struct kafka *kafka)
{
	bool is_recent = clock_monotonic_ms() - kafka->answered_ms < PROBE_AFTER_MS;
	if (kafka->probe || (kafka->answered_ms && is_recent && !kafka->silent_ms))
		return;
	struct probe *probe = NEW(struct probe);
	*probe = (struct probe){
		.errand = { .run = run_probe, .done = end_probe, .owner = kafka },
		.rk = kafka->producer->rk,
		.err = RD_KAFKA_RESP_ERR__TIMED_OUT,
	};
	kafka->probe = &probe->errand;
	kafka_errands_add(kafka->errands, &probe->errand);
}

void kafka_health_close(struct kafka *kafka)
{
	if (kafka->probe)
		kafka->probe->owner = NULL;
}
