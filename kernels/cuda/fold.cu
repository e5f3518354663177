#include "kernels/cuda/fold.h"

#include "kernels/cuda/gpu.cuh"

namespace lockstep::kernels::cuda {

void fold(const Launch& on, const FoldCall& call) { fold_on(Gpu{on}, call); }

}  // namespace lockstep::kernels::cuda
