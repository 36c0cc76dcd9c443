/* SPDX-License-Identifier: MIT
 *
 * The parcels of a delivery: its recipients by destination, handed over, and what came of
 * each written to the record before anything else happens. Part of delivery.h. */
#ifndef SERVICES_SENDER_PARCELS_H
#define SERVICES_SENDER_PARCELS_H

#include "services/sender/delivery.h"

/* Every recipient that has a route goes out; outcome_conclude() follows. */
void parcels_submit(struct delivery *delivery);

#endif
