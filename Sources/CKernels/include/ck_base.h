#pragma once
#include <stddef.h>
#include <stdint.h>

// Marks a kernel that is compiled for several instruction sets; the loader picks one at start.
#if defined(__x86_64__)
#define CK_DISPATCH __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CK_DISPATCH
#endif
