#include "lockstep/nn/conv.h"

#include <vector>

#include "lockstep/autograd/parameter.h"
#include "lockstep/nn/init.h"
#include "lockstep/tensor/create.h"
#include "src/nn/attributes.h"
#include "src/nn/check_sizes.h"
#include "src/nn/working_input.h"

namespace lockstep::nn {
namespace {

Attributes pool_attributes(const PoolOptions& options) {
  const bool is_tiling = options.stride.height == 0 && options.stride.width == 0;
  return {{"window", sizes_of(options.window)},
          {"stride", sizes_of(is_tiling ? options.window : options.stride)},
          {"padding", sizes_of(options.padding)}};
}

}  // namespace

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
  return conv2d(working_input(x, weight_), working_copy(weight_), bias_,
                {.stride = stride_, .padding = padding_, .activation = activation});
}

void Conv2d::visit(Visitor& visitor) {
  visitor.parameter("weight", weight_);
  if (bias_) visitor.parameter("bias", bias_);
}

LayerSpec Conv2d::layer() const {
  const Shape& sizes = weight_.shape();
  return {"conv2d", of_dtype(weight_, {{"in", sizes[3]},
                                       {"out", sizes[0]},
                                       {"kernel", std::vector{sizes[1], sizes[2]}},
                                       {"stride", sizes_of(stride_)},
                                       {"padding", sizes_of(padding_)},
                                       {"bias", bias_.is_defined()}})};
}

LayerSpec MaxPool2d::layer() const { return {"max_pool2d", pool_attributes(options_)}; }

LayerSpec AvgPool2d::layer() const { return {"avg_pool2d", pool_attributes(options_)}; }

}  // namespace lockstep::nn
