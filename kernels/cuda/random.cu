#include "kernels/cuda/random.h"

#include "kernels/cuda/gpu.cuh"

namespace lockstep::kernels::cuda {

void random(const Launch& on, const RandomCall& call) { random_on(Gpu{on}, call); }

}  // namespace lockstep::kernels::cuda
