// For every processor: vectors of four numbers, which ARM and all 64-bit x86 have.
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "interface.hpp"

#ifndef LRDECAY_REAL
#define LRDECAY_REAL float  // tests build it with double
#endif
#define LRDECAY_LANES 4
#define LRDECAY_KERNEL lrdecay_portable
#include "kernel.hpp"
