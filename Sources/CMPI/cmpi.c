#include "cmpi.h"

#include <dlfcn.h>
#include <stddef.h>

// Open MPI's handles are addresses of variables that its library exports, and its functions take them as pointers; the
// names have been the same since its first versions.
static struct {
  int (*init_thread)(int *, char ***, int, int *);
  int (*rank)(void *, int *);
  int (*size)(void *, int *);
  int (*allreduce)(const void *, void *, int, void *, void *, void *);
  int (*broadcast)(void *, int, void *, int, void *);
  int (*send)(const void *, int, void *, int, int, void *);
  int (*receive)(void *, int, void *, int, int, void *, void *);
  int (*barrier)(void *);
  int (*finalize)(void);
  void *world, *byte, *real, *sum;
} mpi;

enum { thread_funneled = 1, tag = 7, chunk = 1 << 28 };

#define FIND(field, name)                                 \
  do {                                                    \
    *(void **)&mpi.field = dlsym(library, name);          \
    if (!mpi.field) return "its library has no " name;    \
  } while (0)

const char *cmpi_start(void) {
  static const char *names[] = {"libmpi.so.40", "libmpi.so"};
  void *library = NULL;
  // Its plug-ins look for its symbols among everybody's.
  for (size_t i = 0; i < sizeof names / sizeof *names && !library; i++)
    library = dlopen(names[i], RTLD_NOW | RTLD_GLOBAL);
  if (!library) return "Open MPI's library is not installed (libopenmpi3, openmpi-bin)";
  FIND(init_thread, "MPI_Init_thread");
  FIND(rank, "MPI_Comm_rank");
  FIND(size, "MPI_Comm_size");
  FIND(allreduce, "MPI_Allreduce");
  FIND(broadcast, "MPI_Bcast");
  FIND(send, "MPI_Send");
  FIND(receive, "MPI_Recv");
  FIND(barrier, "MPI_Barrier");
  FIND(finalize, "MPI_Finalize");
  FIND(world, "ompi_mpi_comm_world");
  FIND(byte, "ompi_mpi_byte");
  FIND(real, "ompi_mpi_double");
  FIND(sum, "ompi_mpi_op_sum");
  int provided = 0;
  if (mpi.init_thread(NULL, NULL, thread_funneled, &provided)) return "MPI does not start";
  return NULL;
}

int cmpi_rank(void) {
  int value = 0;
  mpi.rank(mpi.world, &value);
  return value;
}

int cmpi_size(void) {
  int value = 1;
  mpi.size(mpi.world, &value);
  return value;
}

static int part(long left) { return left < chunk ? (int)left : chunk; }

int cmpi_sum(double *values, long count) {
  // MPI_IN_PLACE is 1 in Open MPI.
  for (long done = 0; done < count; done += chunk) {
    int error = mpi.allreduce((void *)1, values + done, part(count - done), mpi.real, mpi.sum, mpi.world);
    if (error) return error;
  }
  return 0;
}

int cmpi_broadcast(void *bytes, long count, int root) {
  for (long done = 0; done < count; done += chunk) {
    int error = mpi.broadcast((char *)bytes + done, part(count - done), mpi.byte, root, mpi.world);
    if (error) return error;
  }
  return 0;
}

int cmpi_send(const void *bytes, long count, int to) {
  for (long done = 0; done < count; done += chunk) {
    int error = mpi.send((const char *)bytes + done, part(count - done), mpi.byte, to, tag, mpi.world);
    if (error) return error;
  }
  return 0;
}

int cmpi_receive(void *bytes, long count, int from) {
  for (long done = 0; done < count; done += chunk) {
    // MPI_STATUS_IGNORE is 0 in Open MPI.
    int error = mpi.receive((char *)bytes + done, part(count - done), mpi.byte, from, tag, mpi.world, NULL);
    if (error) return error;
  }
  return 0;
}

int cmpi_barrier(void) { return mpi.barrier(mpi.world); }

void cmpi_finish(void) { mpi.finalize(); }
