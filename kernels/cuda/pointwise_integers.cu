#include "kernels/cuda/pointwise.cuh"

namespace lockstep::kernels::cuda {

template bool pointwise_of<std::int64_t>(const Launch& on, const PointwiseCall& call);
template bool pointwise_of<std::int32_t>(const Launch& on, const PointwiseCall& call);
template bool pointwise_of<std::int8_t>(const Launch& on, const PointwiseCall& call);
template bool pointwise_of<std::uint8_t>(const Launch& on, const PointwiseCall& call);

}  // namespace lockstep::kernels::cuda
