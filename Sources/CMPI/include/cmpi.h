#ifndef CMPI_H
#define CMPI_H

// The few calls of MPI that a job of several processes needs, found in Open MPI's library when the program runs: nothing
// of MPI is needed to build it, and nothing is loaded when it runs alone.

// Loads the library and starts MPI. Returns NULL, or what went wrong, in words.
const char *cmpi_start(void);

int cmpi_rank(void);
int cmpi_size(void);

// Each returns 0, or MPI's error code. Lengths are not limited to an int's range.
int cmpi_sum(double *values, long count);
int cmpi_broadcast(void *bytes, long count, int root);
int cmpi_send(const void *bytes, long count, int to);
int cmpi_receive(void *bytes, long count, int from);
int cmpi_barrier(void);

void cmpi_finish(void);

#endif
