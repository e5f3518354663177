#include "kernels/cuda/pointwise.cuh"

namespace lockstep::kernels::cuda {

template bool pointwise_of<double>(const Launch& on, const PointwiseCall& call);

}  // namespace lockstep::kernels::cuda
