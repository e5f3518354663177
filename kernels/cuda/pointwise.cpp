#include <type_traits>

#include "kernels/cuda/families.h"
#include "kernels/host.h"

namespace lockstep::kernels::cuda {

// In pointwise_<type>.cu; false where the op has no kernel for T.
template <class T> bool pointwise_of(const Launch& on, const PointwiseCall& call);

void pointwise(const Launch& on, const PointwiseCall& call) {
  if (call.out.elements() == 0) return;
  const bool is_found = with_type(call.out.dtype, [&]<class T>(T) {
    if constexpr (std::is_same_v<T, bool>) {
      return false;
    } else {
      return pointwise_of<T>(on, call);
    }
  });
  if (!is_found) {
    fail("pointwise: the op has no CUDA kernel for this element type",
         "convert the tensors to f32");
  }
}

}  // namespace lockstep::kernels::cuda
