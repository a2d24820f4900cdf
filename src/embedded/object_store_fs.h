/* Object store in a directory: a key is a path below the root, readable by every program that reads
 * files. The lake's layout is <root>/{landing,raw,refined,compact,quarantine} for objects, scratch/
 * for files on their way, and state/ for the SQLite files of the drivers beside it. */
#ifndef PREGAO_OBJECT_STORE_FS_H
#define PREGAO_OBJECT_STORE_FS_H

#include "object_store.h"

/* create makes root, scratch/ and state/ where missing (durably), and sweeps out what killed
 * writers left in scratch/ (beside other live writers only what is over a day old); without it a
 * missing root is ERR_NOT_FOUND, and nothing is changed by opening. Root itself may be a symbolic
 * link; below it none is followed (ERR_DENIED). May be used from several threads and processes at
 * once; two opens of one root see each other's writes.
 *
 * A put is: the bytes written into scratch/ and synced, renamed to the key (RENAME_NOREPLACE for
 * if_absent), and every folder on the way to it synced; put_many does the syncs in a pool of
 * threads. Local files on the same file system are renamed, others copied. Errors carry the full
 * path as their place. notifies: false. Reading past the end gives no bytes. */
int object_store_fs_open(const char *root, bool create, struct object_store **ret,
			 struct err *) MUST_CHECK;

#endif
