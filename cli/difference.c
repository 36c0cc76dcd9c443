/* SPDX-License-Identifier: MIT */
#include "cli/difference.h"

#include <stdint.h>
#include <stdlib.h>

#include "lib/memory.h"

/* Beyond so many pairs of lines the middle is shown as all gone and all new. */
#define PAIRS_MOST ((size_t)16 << 20)

struct lines {
	struct slice *list;
	size_t count;
};

static struct lines lines_of(struct slice text)
{
	size_t count = 1;
	for (size_t i = 0; i < text.size; i++)
		count += text.data[i] == '\n';
	struct lines lines = { NEW_ARRAY(struct slice, count), 0 };
	struct slice line;
	while (text.size && slice_split(&text, '\n', &line))
		lines.list[lines.count++] = line;
	return lines;
}

static void print_lines(struct lines lines, char sign, FILE *out)
{
	for (size_t i = 0; i < lines.count; i++)
		fprintf(out, "%c%.*s\n", sign, SLICE_ARG(lines.list[i]));
}

static struct lines part(struct lines lines, size_t from, size_t to)
{
	return (struct lines){ lines.list + from, to - from };
}

/* Longest common subsequence: common[i][j] is its length from line i and line j on. */
static void print_middle(struct lines a, struct lines b, FILE *out)
{
	size_t width = b.count + 1;
	if ((a.count + 1) * width > PAIRS_MOST) {
		print_lines(a, '-', out);
		print_lines(b, '+', out);
		return;
	}
	uint32_t *common = NEW_ARRAY(uint32_t, (a.count + 1) * width);
	for (size_t i = a.count; i-- > 0;)
		for (size_t j = b.count; j-- > 0;) {
			uint32_t down = common[(i + 1) * width + j];
			uint32_t right = common[i * width + j + 1];
			bool is_equal = slice_equal(a.list[i], b.list[j]);
			common[i * width + j] =
				is_equal       ? common[(i + 1) * width + j + 1] + 1
				: down > right ? down
					       : right;
		}
	size_t i = 0, j = 0;
	while (i < a.count || j < b.count) {
		if (i < a.count && j < b.count && slice_equal(a.list[i], b.list[j])) {
			print_lines(part(a, i, i + 1), ' ', out);
			i++, j++;
		} else if (j == b.count ||
			   (i < a.count && common[(i + 1) * width + j] >=
						   common[i * width + j + 1])) {
			print_lines(part(a, i, i + 1), '-', out);
			i++;
		} else {
			print_lines(part(b, j, j + 1), '+', out);
			j++;
		}
	}
	free(common);
}

void difference_print(struct slice before, struct slice after, FILE *out)
{
	struct lines a = lines_of(before), b = lines_of(after);
	size_t shorter = a.count < b.count ? a.count : b.count, head = 0, tail = 0;
	while (head < shorter && slice_equal(a.list[head], b.list[head]))
		head++;
	while (tail < shorter - head &&
		slice_equal(a.list[a.count - 1 - tail], b.list[b.count - 1 - tail]))
		tail++;
	print_lines(part(a, 0, head), ' ', out);
	print_middle(part(a, head, a.count - tail), part(b, head, b.count - tail), out);
	print_lines(part(a, a.count - tail, a.count), ' ', out);
	free(a.list);
	free(b.list);
}
