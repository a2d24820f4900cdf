/* The Python that is the same in every job's Spark program: src/job/spark, compiled in. */
#ifndef PREGAO_SPARK_PYTHON_H
#define PREGAO_SPARK_PYTHON_H

#include "bundled_file.h"

extern const struct bundled_file spark_python_files[];
extern const size_t spark_python_files_count;

#endif
