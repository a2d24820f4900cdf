/* The table of node types and their keys: what the parser accepts, and what help and docs say. */
#include "graph.h"

#include <string.h>

const struct key graph_keys[] = {
	{"job", KEY_TEXT, true, "the job's name: small letters, digits, '_'"},
	{"doc", KEY_TEXT, false, "what it is for"},
	{"trigger", KEY_TEXT_OR_NAMES, true,
	 "the table whose new objects start it, \"database.table\", or a list of them; each is the table of a source"},
	{"nodes", KEY_OBJECTS, true, "the nodes, in any order"},
	{"layout", KEY_OBJECT, false, "for the editor; means nothing"},
	{0},
};

const struct key node_common_keys[] = {
	{"id", KEY_TEXT, true, "the node's name: small letters, digits, '_', '-'"},
	{"type", KEY_TEXT, true, "what it is"},
	{"doc", KEY_TEXT, false, "why it is there"},
	{"layout", KEY_OBJECT, false, "{\"x\": 0, \"y\": 0}: where the editor draws it"},
	{0},
};

#define INPUT                                                           \
	{                                                               \
		"input", KEY_TEXT, true, "the node whose rows it takes" \
	}

static const struct key source_keys[] = {
	{"table", KEY_TEXT, true, "\"database.table\""},
	{0},
};

static const struct key change_schema_keys[] = {
	INPUT,
	{"rename", KEY_MAP, false, "{\"old\": \"new\"}"},
	{"cast", KEY_MAP, false, "{\"column\": \"TYPE\"}"},
	{"drop", KEY_NAMES, false, "columns that go"},
	{"keep", KEY_NAMES, false, "columns that stay, in this order; instead of drop"},
	{0},
};

static const struct key aggregate_keys[] = {
	INPUT,
	{"group", KEY_NAMES, true, "columns; [] gives one row for everything"},
	{"aggregates", KEY_OBJECTS, true,
	 "[{\"column\", \"function\", \"of\", \"order\", \"type\"}]: the new column, the function, the column it is taken of, "
	 "for `first` and `last` the columns that order the rows, and the type to cast to"},
	{0},
};

static const struct key derive_keys[] = {
	INPUT,
	{"columns", KEY_OBJECTS, true,
	 "[{\"column\", \"expression\"}]; expressions see the input's columns"},
	{0},
};

static const struct key filter_keys[] = {
	INPUT,
	{"where", KEY_TEXT, true, "an expression; rows for which it is false or null go"},
	{0},
};

static const struct key join_keys[] = {
	{"left", KEY_TEXT, true, "a node"},
	{"right", KEY_TEXT, true, "a node"},
	{"kind", KEY_TEXT, true,
	 "\"inner\", or \"left\": rows of the left that match nothing stay, with nulls"},
	{"on", KEY_PAIRS, true,
	 "[\"column of both\", {\"left\": \"column\", \"right\": \"column\"}]"},
	{0},
};

static const struct key union_keys[] = {
	{"inputs", KEY_NAMES, true, "nodes; the first tells the order of the columns"},
	{0},
};

static const struct key sql_keys[] = {
	{"inputs", KEY_NAMES, true,
	 "nodes; the text names them in double quotes (DuckDB) or backticks (Spark)"},
	{"text", KEY_MAP, true, "{\"duckdb\": \"SELECT ...\", \"spark\": \"SELECT ...\"}"},
	{"columns", KEY_OBJECTS, true,
	 "[{\"name\", \"type\"}]: what it gives; each is cast to its type"},
	{"keeps", KEY_NAMES, false,
	 "columns of which the author vouches that every row comes only from input rows with the same value"},
	{0},
};

static const struct key quality_keys[] = {
	INPUT,
	{"checks", KEY_OBJECTS, true,
	 "[{\"name\", one of \"holds\", \"unique\", \"not_null\", \"rows\", \"sum\", and \"message\"}]"},
	{0},
};

static const struct key target_keys[] = {
	INPUT,
	{"table", KEY_TEXT, true, "\"database.table\""},
	{"columns", KEY_OBJECTS, true,
	 "[{\"name\", \"type\", \"doc\"}]: what its files hold, in this order"},
	{"partition", KEY_OBJECTS, true,
	 "[{\"name\", \"type\", \"doc\"}]: what its folders tell, 1 to 4"},
	{"scope", KEY_NAMES, true,
	 "the first of the partition columns: what one run replaces as a whole"},
	{"location", KEY_TEXT, false, "key prefix; \"database/table\" when not written"},
	{"compact", KEY_OBJECT, false,
	 "{\"location\": \"compact/database/table\", \"sort\": [columns]}: the second layout, for our own queries"},
	{0},
};

const struct node_type node_types[NODE_KINDS] = {
	[NODE_SOURCE] = {"source", "the rows of a table, partition columns included", 0, 0,
			 source_keys},
	[NODE_CHANGE_SCHEMA] =
		{"change-schema",
		 "renames, casts, drops or orders columns; all names are those of the input", 1, 1,
		 change_schema_keys},
	[NODE_AGGREGATE] = {"aggregate", "one row for each combination of the group columns", 1, 1,
			    aggregate_keys},
	[NODE_DERIVE] = {"derive", "adds columns computed row by row", 1, 1, derive_keys},
	[NODE_FILTER] = {"filter", "the rows for which a condition holds", 1, 1, filter_keys},
	[NODE_JOIN] =
		{"join",
		 "pairs of rows with equal values; the columns of the left, then those of the right but for its \"on\" columns",
		 2, 2, join_keys},
	[NODE_UNION] = {"union", "the rows of all inputs, which must have the same columns", 2, 16,
			union_keys},
	[NODE_SQL] = {"sql", "what the other types cannot say, in the words of each dialect", 1, 16,
		      sql_keys},
	[NODE_QUALITY] =
		{"quality",
		 "checks; the rows pass unchanged, and one failing check fails the run before anything is published",
		 1, 1, quality_keys},
	[NODE_TARGET] = {"target", "writes a table", 1, 1, target_keys},
};
