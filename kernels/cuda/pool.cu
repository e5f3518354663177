#include "kernels/cuda/pool.h"

#include "kernels/cuda/gpu.cuh"

namespace lockstep::kernels::cuda {

void pool(const Launch& on, const PoolCall& call) { pool_on(Gpu{on}, call); }

}  // namespace lockstep::kernels::cuda
