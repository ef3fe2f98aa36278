// The messages of Specs/graph.proto.
#ifndef CGRAPHPROTO_H
#define CGRAPHPROTO_H

#include "graph.pb-c.h"

// A function, because Swift cannot take the address of a C constant without copying it.
static inline const ProtobufCMessageDescriptor *dsd_model_descriptor(void) {
  return &dsd__model_proto__descriptor;
}

#endif
