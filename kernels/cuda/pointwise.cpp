#include "kernels/cuda/families.h"
#include "kernels/host.h"

namespace lockstep::kernels::cuda {

// In pointwise_<type>.cu, a file each since they take long to compile; false where the op has no
// kernel for that type.
bool pointwise_f64(const Launch& on, const PointwiseCall& call);
bool pointwise_f32(const Launch& on, const PointwiseCall& call);
bool pointwise_f16(const Launch& on, const PointwiseCall& call);
bool pointwise_bf16(const Launch& on, const PointwiseCall& call);
bool pointwise_integers(const Launch& on, const PointwiseCall& call);

namespace {

bool has_run(const Launch& on, const PointwiseCall& call) {
  switch (call.out.dtype) {
    case DType::f64:
      return pointwise_f64(on, call);
    case DType::f32:
      return pointwise_f32(on, call);
    case DType::f16:
      return pointwise_f16(on, call);
    case DType::bf16:
      return pointwise_bf16(on, call);
    default:
      return pointwise_integers(on, call);
  }
}

}  // namespace

void pointwise(const Launch& on, const PointwiseCall& call) {
  if (call.out.elements() == 0 || has_run(on, call)) return;
  fail("pointwise: the op has no CUDA kernel for this element type", "convert the tensors to f32");
}

}  // namespace lockstep::kernels::cuda
