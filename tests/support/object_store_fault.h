/* A wrapper around any object store that fails one chosen write: what does the Nth failure leave
 * behind? */
#ifndef PREGAO_OBJECT_STORE_FAULT_H
#define PREGAO_OBJECT_STORE_FAULT_H

#include "object_store.h"

/* Fails the Nth call that changes something (1-based, counted over put_many items, delete_many and
 * copy) with the code, before it takes effect; the other items of the same put_many go through;
 * 0 never. Owns and frees the inner store. Stacks on any driver. */
struct object_store *object_store_fault_new(struct object_store *inner, int64_t nth, int code);

#endif
