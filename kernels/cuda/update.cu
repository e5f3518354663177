#include "kernels/cuda/update.h"

#include "kernels/cuda/gpu.cuh"

namespace lockstep::kernels::cuda {

void update(const Launch& on, const UpdateCall& call) { update_on(Gpu{on}, call); }

}  // namespace lockstep::kernels::cuda
