#include "kernels/cuda/gpu.cuh"
#include "kernels/cuda/pointwise.h"

namespace lockstep::kernels::cuda {

bool pointwise_f16(const Launch& on, const PointwiseCall& call) {
  return pointwise_on<float16>(Gpu{on}, call);
}

}  // namespace lockstep::kernels::cuda
