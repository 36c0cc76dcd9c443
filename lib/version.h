/* SPDX-License-Identifier: MIT
 *
 * The version of all programs of this tree. */
#ifndef LIB_VERSION_H
#define LIB_VERSION_H

#define POSTERN_VERSION "0.1.0"

#endif
