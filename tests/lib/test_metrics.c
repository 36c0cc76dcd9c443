/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <string.h>

#include "lib/metrics.h"
#include "lib/memory.h"

static const char *page(void)
{
	static struct buffer out;
	buffer_done(&out);
	buffer_init(&out, 1 << 20);
	ck_assert(metrics_print(&out));
	ck_assert(buffer_append(&out, (struct slice){ "", 1 }));
	return out.data;
}

static void expect(const char *line)
{
	const char *text = page();
	ck_assert_msg(strstr(text, line) != NULL, "no \"%s\" in:\n%s", line, text);
}

START_TEST(a_counter_and_a_gauge_show_their_value)
{
	metric_add(metric_counter("t_sent_total", NULL, "Sent."), 3);
	metric_add(metric_counter("t_sent_total", NULL, "Sent."), 4);
	metric_set(metric_gauge("t_in_hand", "lane=\"bulk\"", "In hand."), -2);
	expect("# HELP t_sent_total Sent.\n# TYPE t_sent_total counter\nt_sent_total "
	       "7\n");
	expect("# TYPE t_in_hand gauge\nt_in_hand{lane=\"bulk\"} -2\n");
}
END_TEST

START_TEST(metrics_of_one_name_stand_together_under_one_head)
{
	metric_add(metric_counter("t_a_total", "r=\"x\"", "A."), 1);
	metric_add(metric_counter("t_b_total", NULL, "B."), 1);
	metric_add(metric_counter("t_a_total", "r=\"y\"", "A."), 2);
	expect("# TYPE t_a_total counter\nt_a_total{r=\"x\"} 1\nt_a_total{r=\"y\"} 2\n# "
	       "HELP t_b_total");
}
END_TEST

START_TEST(a_histogram_counts_up_its_buckets_in_seconds)
{
	static const double observed[] = { 0.2, 1, 1.5, 40, 70000 };
	struct metric *metric = metric_histogram("t_wait_seconds", NULL, "Waited.");
	for (size_t i = 0; i < sizeof(observed) / sizeof(*observed); i++)
		metric_observe_ms(metric, observed[i]);
	expect("t_wait_seconds_bucket{le=\"0.001\"} 2\n");
	expect("t_wait_seconds_bucket{le=\"0.002\"} 3\n");
	expect("t_wait_seconds_bucket{le=\"0.02\"} 3\n");
	expect("t_wait_seconds_bucket{le=\"0.05\"} 4\n");
	expect("t_wait_seconds_bucket{le=\"60\"} 4\n");
	expect("t_wait_seconds_bucket{le=\"+Inf\"} 5\nt_wait_seconds_sum "
	       "70.042700\nt_wait_seconds_count 5\n");
	metric_observe_ms(metric_histogram("t_l_seconds", "a=\"b\"", "L."), 3);
	expect("t_l_seconds_bucket{a=\"b\",le=\"0.005\"} 1\n");
	expect("t_l_seconds_count{a=\"b\"} 1\n");
}
END_TEST

START_TEST(a_full_buffer_is_told)
{
	metric_counter("t_sent_total", NULL, "Sent.");
	CLEANUP(buffer_done) struct buffer out;
	buffer_init(&out, 40);
	ck_assert(!metrics_print(&out));
}
END_TEST

Suite *metrics_suite(void)
{
	Suite *suite = suite_create("metrics");
	TCase *all = tcase_create("all");
	tcase_add_test(all, a_counter_and_a_gauge_show_their_value);
	tcase_add_test(all, metrics_of_one_name_stand_together_under_one_head);
	tcase_add_test(all, a_histogram_counts_up_its_buckets_in_seconds);
	tcase_add_test(all, a_full_buffer_is_told);
	suite_add_tcase(suite, all);
	return suite;
}
