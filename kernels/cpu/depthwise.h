// Convolutions of each channel with a kernel of its own: weights [c, kh, kw, 1] on images of c
// channels.
#pragma once

#include "lockstep/kernels/calls.h"

namespace lockstep::kernels::cpu {

inline bool is_depthwise(const ConvCall& call) {
  return call.weight.sizes[3] == 1 && call.x.sizes[3] > 1;
}

template <class T> void depthwise(const ConvCall& call);  // float, double

}  // namespace lockstep::kernels::cpu
