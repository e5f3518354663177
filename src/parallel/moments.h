// The moments of channels, as ranks join them.
#pragma once

#include "kernels/math/moments.h"
#include "lockstep/comm/communicator.h"

namespace lockstep::parallel {

using kernels::math::Moments;

// The moments of all ranks' samples, joined along the summation tree over the ranks. Collective.
Moments joined(comm::Communicator& ranks, const Moments& mine);

}  // namespace lockstep::parallel
