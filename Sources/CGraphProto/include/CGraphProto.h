// The messages of Specs/graph.proto.
#ifndef CGRAPHPROTO_H
#define CGRAPHPROTO_H

#include "graph.pb-c.h"

// Functions, because Swift cannot take the address of a C constant without copying it.
static inline const ProtobufCMessageDescriptor *dsd_model_descriptor(void) {
  return &dsd__model_proto__descriptor;
}
static inline const ProtobufCMessageDescriptor *dsd_tensor_descriptor(void) {
  return &dsd__tensor_proto__descriptor;
}
static inline const ProtobufCMessageDescriptor *dsd_sequence_descriptor(void) {
  return &dsd__sequence_proto__descriptor;
}
static inline const ProtobufCMessageDescriptor *dsd_optional_descriptor(void) {
  return &dsd__optional_proto__descriptor;
}

#endif
