#include "lockstep/nn/conv.h"

#include <fmt/format.h>

#include <vector>

#include "lockstep/autograd/parameter.h"
#include "lockstep/base/error.h"
#include "lockstep/nn/init.h"
#include "lockstep/tensor/create.h"
#include "src/nn/attributes.h"
#include "src/nn/check_sizes.h"
#include "src/nn/working_input.h"

namespace lockstep::nn {
namespace {

Attributes pool_attributes(const PoolOptions& options) {
  const bool is_tiling = options.stride.height == 0 && options.stride.width == 0;
  return with_padding(options.padding,
                      {{"window", sizes_of(options.window)},
                       {"stride", sizes_of(is_tiling ? options.window : options.stride)}});
}

// What both kinds of convolution share.
Attributes conv_attributes(const Tensor& weight, Extent stride, const Padding& padding,
                           const Tensor& bias) {
  const Shape& sizes = weight.shape();
  return with_padding(padding, of_dtype(weight, {{"kernel", std::vector{sizes[1], sizes[2]}},
                                                 {"stride", sizes_of(stride)},
                                                 {"bias", bias.is_defined()}}));
}

void check_conv_sizes(const char* layer, std::int64_t in, std::int64_t out, Extent kernel) {
  check_sizes(layer, {{"in", in},
                      {"out", out},
                      {"the kernel's height", kernel.height},
                      {"the kernel's width", kernel.width}});
}

}  // namespace

Conv2d::Conv2d(std::int64_t in, std::int64_t out, const Options& options)
    : stride_(options.stride),
      padding_(options.padding),
      dilation_(options.dilation),
      groups_(options.groups) {
  const Extent kernel = options.kernel;
  check_conv_sizes("Conv2d", in, out, kernel);
  check<UsageError>(groups_ >= 1 && in % groups_ == 0 && out % groups_ == 0, [&] {
    return Complaint{fmt::format("Conv2d: {} groups of {} and {} channels", groups_, in, out),
                     "use a number of groups that divides both"};
  });
  const TensorOptions kind = {options.dtype, options.device};
  weight_ = empty({out, kernel.height, kernel.width, in / groups_}, kind);
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
                {.stride = stride_,
                 .padding = padding_,
                 .dilation = dilation_,
                 .groups = groups_,
                 .activation = activation});
}

void Conv2d::visit(Visitor& visitor) {
  visitor.parameter("weight", weight_);
  if (bias_) visitor.parameter("bias", bias_);
}

LayerSpec Conv2d::layer() const {
  Attributes attributes = conv_attributes(weight_, stride_, padding_, bias_);
  attributes["in"] = weight_.size(3) * groups_;
  attributes["out"] = weight_.size(0);
  if (dilation_.height != 1 || dilation_.width != 1) attributes["dilation"] = sizes_of(dilation_);
  if (groups_ != 1) attributes["groups"] = std::int64_t{groups_};
  return {"conv2d", std::move(attributes)};
}

ConvTranspose2d::ConvTranspose2d(std::int64_t in, std::int64_t out, const Options& options)
    : stride_(options.stride), padding_(options.padding) {
  const Extent kernel = options.kernel;
  check_conv_sizes("ConvTranspose2d", in, out, kernel);
  const TensorOptions kind = {options.dtype, options.device};
  weight_ = empty({in, kernel.height, kernel.width, out}, kind);
  const std::int64_t inputs = fans_of(weight_).in;
  uniform_by_inputs_(weight_, inputs);
  require_grad(weight_);
  if (!options.bias) return;
  bias_ = empty({out}, kind);
  uniform_by_inputs_(bias_, inputs);
  require_grad(bias_);
}

Tensor ConvTranspose2d::forward_fused(const Tensor& x, Activation activation) {
  return computed_in_f32(x, weight_, [&](const Tensor& input) {
    return conv_transpose2d(input, weight_, bias_,
                            {.stride = stride_, .padding = padding_, .activation = activation});
  });
}

void ConvTranspose2d::visit(Visitor& visitor) {
  visitor.parameter("weight", weight_);
  if (bias_) visitor.parameter("bias", bias_);
}

LayerSpec ConvTranspose2d::layer() const {
  Attributes attributes = conv_attributes(weight_, stride_, padding_, bias_);
  attributes["in"] = weight_.size(0);
  attributes["out"] = weight_.size(3);
  return {"conv_transpose2d", std::move(attributes)};
}

LayerSpec MaxPool2d::layer() const { return {"max_pool2d", pool_attributes(options_)}; }

LayerSpec AvgPool2d::layer() const {
  Attributes attributes = pool_attributes(options_);
  if (!options_.counts_padding) attributes["counts_padding"] = false;
  return {"avg_pool2d", attributes};
}

}  // namespace lockstep::nn
