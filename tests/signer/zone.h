/* SPDX-License-Identifier: MIT
 *
 * The zone example.test on a real nsd (tools/nsd), for tests that publish key records.
 * Nothing in it may be cached. */
#ifndef TESTS_SIGNER_ZONE_H
#define TESTS_SIGNER_ZONE_H

extern char zone_server[32]; /* "127.0.0.1:PORT" */

void zone_start(void);
void zone_stop(void);
/* Makes these the TXT records of the zone, as pairs of selector and text; NULL ends.
 * Returns when they are served. */
void zone_publish(const char *const *records);

#endif
