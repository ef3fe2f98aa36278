// The messages of Specs/graph.proto.
#include "graph.pb-c.h"
