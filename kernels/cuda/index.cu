#include "kernels/cuda/index.h"

#include "kernels/cuda/gpu.cuh"

namespace lockstep::kernels::cuda {

void gather(const Launch& on, const GatherCall& call) { gather_on(Gpu{on}, call); }
void scatter_add(const Launch& on, const GatherCall& call) { scatter_add_on(Gpu{on}, call); }
void pick(const Launch& on, const PickCall& call) { pick_on(Gpu{on}, call); }

}  // namespace lockstep::kernels::cuda
