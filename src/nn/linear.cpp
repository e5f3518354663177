#include "lockstep/nn/linear.h"

#include "lockstep/autograd/parameter.h"
#include "lockstep/nn/init.h"
#include "lockstep/tensor/create.h"
#include "src/nn/attributes.h"
#include "src/nn/check_sizes.h"
#include "src/nn/working_input.h"

namespace lockstep::nn {

Linear::Linear(std::int64_t in, std::int64_t out, const Options& options) {
  check_sizes("Linear", {{"in", in}, {"out", out}});
  const TensorOptions kind = {options.dtype, options.device};
  weight_ = empty({out, in}, kind);
  uniform_by_inputs_(weight_, in);
  require_grad(weight_);
  if (!options.bias) return;
  bias_ = empty({out}, kind);
  uniform_by_inputs_(bias_, in);
  require_grad(bias_);
}

Tensor Linear::forward_fused(const Tensor& x, Activation activation) {
  return linear(working_input(x, weight_), working_copy(weight_), bias_, activation);
}

void Linear::visit(Visitor& visitor) {
  visitor.parameter("weight", weight_);
  if (bias_) visitor.parameter("bias", bias_);
}

LayerSpec Linear::layer() const {
  return {"linear", of_dtype(weight_, {{"in", weight_.size(1)},
                                       {"out", weight_.size(0)},
                                       {"bias", bias_.is_defined()}})};
}

}  // namespace lockstep::nn
