#include "kernels/cuda/reduce.h"

#include "kernels/cuda/gpu.cuh"

namespace lockstep::kernels::cuda {

void reduce(const Launch& on, const ReduceCall& call) { reduce_on(Gpu{on}, call); }

}  // namespace lockstep::kernels::cuda
