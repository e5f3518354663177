#include "kernels/cuda/gpu.cuh"
#include "kernels/cuda/pointwise.h"

namespace lockstep::kernels::cuda {

bool pointwise_bf16(const Launch& on, const PointwiseCall& call) {
  return pointwise_on<bfloat16>(Gpu{on}, call);
}

}  // namespace lockstep::kernels::cuda
