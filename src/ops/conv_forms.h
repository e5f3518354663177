// Convolutions that are made of plain ones.
#pragma once

#include "lockstep/ops/conv.h"

namespace lockstep::detail {

// Arguments are checked; options.groups is above 1, and the weight is not [in, kh, kw, 1].
Tensor grouped_conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias,
                      const Conv2dOptions& options);
// Arguments are checked. UsageError for a stride beside the dilation.
Tensor dilated_conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias,
                      const Conv2dOptions& options);

}  // namespace lockstep::detail
