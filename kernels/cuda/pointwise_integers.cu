#include "kernels/cuda/gpu.cuh"
#include "kernels/cuda/pointwise.h"

namespace lockstep::kernels::cuda {

bool pointwise_integers(const Launch& on, const PointwiseCall& call) {
  switch (call.out.dtype) {
    case DType::i64:
      return pointwise_on<std::int64_t>(Gpu{on}, call);
    case DType::i32:
      return pointwise_on<std::int32_t>(Gpu{on}, call);
    case DType::i8:
      return pointwise_on<std::int8_t>(Gpu{on}, call);
    case DType::u8:
      return pointwise_on<std::uint8_t>(Gpu{on}, call);
    default:
      return false;
  }
}

}  // namespace lockstep::kernels::cuda
