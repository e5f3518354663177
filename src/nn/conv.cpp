#include "lockstep/nn/conv.h"

#include "lockstep/autograd/parameter.h"
#include "lockstep/nn/init.h"
#include "lockstep/tensor/create.h"
#include "src/nn/check_sizes.h"

namespace lockstep::nn {

Conv2d::Conv2d(std::int64_t in, std::int64_t out, const Options& options)
    : stride_(options.stride), padding_(options.padding) {
  const Extent kernel = options.kernel;
  check_sizes("Conv2d", {{"in", in},
                         {"out", out},
                         {"the kernel's height", kernel.height},
                         {"the kernel's width", kernel.width}});
  const TensorOptions kind = {options.dtype, options.device};
  weight_ = empty({out, kernel.height, kernel.width, in}, kind);
  const std::int64_t inputs = fans_of(weight_).in;
  uniform_by_inputs_(weight_, inputs);
  require_grad(weight_);
  if (!options.bias) return;
  bias_ = empty({out}, kind);
  uniform_by_inputs_(bias_, inputs);
  require_grad(bias_);
}

Tensor Conv2d::forward_fused(const Tensor& x, Activation activation) {
  return conv2d(x, weight_, bias_,
                {.stride = stride_, .padding = padding_, .activation = activation});
}

void Conv2d::visit(Visitor& visitor) {
  visitor.parameter("weight", weight_);
  if (bias_) visitor.parameter("bias", bias_);
}

}  // namespace lockstep::nn
