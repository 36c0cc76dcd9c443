/* SPDX-License-Identifier: MIT
 *
 * The first byte says where the session begins and how the rest is cut into segments. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "tests/smtp-gateway/driver.h"

enum { IN_TLS = 1, LOGGED_IN = 2, IN_DATA = 4, STORE_FAILS = 8, DRAINS = 16 };

static void begin(struct driver *driver, unsigned flags)
{
	if (flags & (LOGGED_IN | IN_DATA))
		driver_feed(driver,
			SLICE("EHLO client.example\r\nAUTH PLAIN AHNob3AAc2VjcmV0\r\n"));
	if (flags & IN_DATA)
		driver_feed(driver, SLICE("MAIL FROM:<bounces@shop.example>\r\n"
					  "RCPT TO:<ann@customer.example>\r\nDATA\r\n"));
	if (flags & STORE_FAILS)
		driver->store = FAULT_TEMPORARY;
}

/* Every reply is lines of printable ASCII that begin with a code. */
static void check_output(struct slice output)
{
	struct slice line;
	while (slice_split(&output, '\n', &line)) {
		if (line.size == 0 && output.data == NULL)
			return;
		assert(line.size >= 5 && line.size <= 512);
		assert(line.data[0] >= '2' && line.data[0] <= '5');
		assert(line.data[3] == ' ' || line.data[3] == '-');
		assert(line.data[line.size - 1] == '\r');
		for (size_t i = 0; i < line.size - 1; i++)
			assert(line.data[i] >= ' ' && line.data[i] <= '~');
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	if (size == 0)
		return 0;
	struct driver driver;
	struct slice rest = { (const char *)bytes + 1, size - 1 };
	unsigned flags = bytes[0] & 31, step = bytes[0] >> 5;
	driver_init(&driver, flags & (IN_TLS | LOGGED_IN | IN_DATA));
	driver.world.limits.bad_commands = 100;
	driver_pump(&driver);
	begin(&driver, flags);
	for (size_t piece; rest.size; rest = slice_skip(rest, piece)) {
		piece = step ? step : rest.size;
		driver_feed(&driver, slice_head(rest, piece));
		assert(driver.is_closed ||
			buffer_size(&driver.input) <= SESSION_LINE_MAX);
	}
	if ((flags & DRAINS) && !driver.is_closed)
		session_drain(driver.session);
	driver_pump(&driver);
	check_output(buffer_slice(&driver.output));
	driver_done(&driver);
	return 0;
}
