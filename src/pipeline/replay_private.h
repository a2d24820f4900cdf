/* What the files of the replay share; nobody else includes it. replay.c: the run. replay_input.c: bytes into lines.
 * replay_lines.c: which form a line has. replay_json.c, replay_csv.c: those forms. replay_shape.c: what their fields
 * mean. replay_refused.c: lines that cannot be read. */
#ifndef PREGAO_REPLAY_PRIVATE_H
#define PREGAO_REPLAY_PRIVATE_H

#include "bitcoin_source.h"
#include "hash.h"
#include "object_store.h"

/* The rows of one line, and what is known about it. */
struct replay_line {
	struct arena *arena; /* of the rows' texts */
	const char *source;  /* as given, NULL: by shape */
	const char *pair;    /* where the line does not say; NULL: unknown */
	int64_t received_us; /* BITCOIN_NONE: the recording does not tell */
	int64_t now_us;      /* nothing can be later than a day after this */
	struct slice payload;
	struct bitcoin_row *rows; /* freed by the caller */
	size_t count, cap;
};

/* Fields by name, as texts, whatever they came in. NULL: there is none, or it is null or empty. */
struct replay_fields {
	const char *(*get)(const void *ctx, const char *name);
	const void *ctx;
};
/* Reads one message or row and adds what it means to the line. *ret_known is false when it has no known shape;
 * order books and the like are known and add nothing. ERR_INPUT with a reason: "bad_number", "bad_time",
 * "bad_price", "bad_trade_id", "bad_text", "no_time"; ERR_USAGE when the pair has to be given. */
int replay_shape_read(struct replay_line *, const struct replay_fields *, bool *ret_known,
		      struct err *) MUST_CHECK;
/* A source or a pair: 1 to 64 printable ASCII characters. */
bool replay_is_word(const char *);
/* Copies one into the arena; ERR_INPUT with the reason "bad_text". */
int replay_word(struct replay_line *, const char *name, const char *text, const char **ret,
		struct err *) MUST_CHECK;
/* A time as text: a whole number of any unit, seconds with decimals, or a date and time (UTC without an
 * offset). */
int replay_time(const char *text, int64_t *ret_us, struct err *) MUST_CHECK;

/* A JSON message or document: an object or an array of them, bare or wrapped ({"stream", "data"}). OK without
 * rows: it is none of ours. */
int replay_json(struct replay_line *, struct slice text, struct err *) MUST_CHECK;

/* CSV. The columns are known from the first line. */
struct replay_csv;
/* ERR_INPUT when the line is neither a known header nor a trade dump's row; "candles" is a reason of its own.
 * *ret_header: the line is a header and no row. The arena outlives *ret. */
int replay_csv_begin(struct arena *, struct slice first, struct replay_csv **ret, bool *ret_header,
		     struct err *) MUST_CHECK;
void replay_csv_free(struct replay_csv *); /* NULL is fine */
/* What a line, and those looked at since the last `first`, are together: a row with as many fields as there are
 * columns; the beginning of one, whose last field is quoted and still open; or neither. */
enum replay_csv_end { CSV_WHOLE, CSV_OPEN, CSV_BROKEN };
enum replay_csv_end replay_csv_look(struct replay_csv *, struct slice line, bool first);
int replay_csv_row(struct replay_csv *, struct replay_line *, struct slice text,
		   struct err *) MUST_CHECK;

/* Lines that cannot be read. At most 10,000 and 16 MiB of them are kept; the others are counted. */
struct replay_refused {
	struct buf lines;
	int64_t count, kept;
	struct err first;
};
void replay_refused_add(struct replay_refused *, int64_t line, struct slice text,
			const struct err *why);
/* Puts them into quarantine, if there are any, as one payload: {"line","reason","text","bytes"} a line, the bytes in
 * base64, and {"not_kept"} in the end. The same lines give the same payload. Errors of object_store_put. */
int replay_refused_put(struct replay_refused *, struct object_store *, const char *path,
		       int64_t now_us, char ret_sha256[HASH_HEX_SIZE], struct err *) MUST_CHECK;
void replay_refused_clear(struct replay_refused *);

/* All forms. */
struct replay_lines;
struct replay_lines *replay_lines_new(const char *path, const char *source, const char *pair,
				      int64_t now_us) NEVER_NULL;
/* The pair of messages that do not say theirs: as given, or of the file's name; NULL: unknown. */
const char *replay_lines_pair(const struct replay_lines *);
/* Looks at the first line that is not blank; *ret_skip: it holds no row (a header). ERR_INPUT: of no known
 * form. */
int replay_lines_begin(struct replay_lines *, struct slice first, bool *ret_skip,
		       struct err *) MUST_CHECK;
/* Whether it ends within a quoted field, so that the lines behind it may belong to it. */
bool replay_lines_open(struct replay_lines *, struct slice text);
/* How many of the lines behind that one belong to it; 0: together they are no row, so that its quote was a stray
 * one. */
size_t replay_lines_follow(struct replay_lines *, struct slice ahead);
/* Adds the line's rows. OK without rows: something else. ERR_INPUT: it cannot be read. ERR_USAGE: the pair has to be
 * given. */
int replay_lines_read(struct replay_lines *, struct slice text, struct replay_line *,
		      struct err *) MUST_CHECK;
void replay_lines_free(struct replay_lines *);

#endif
