// Convolution and pooling of images, NHWC.
#pragma once

#include "lockstep/kernels/calls.h"
#include "lockstep/tensor/tensor.h"

namespace lockstep {

using kernels::Activation;

// Height and width; one number stands for both.
struct Extent {
  int height, width;
  constexpr Extent(int both) : height(both), width(both) {}  // NOLINT: .padding = 1
  constexpr Extent(int rows, int columns) : height(rows), width(columns) {}
};

struct Conv2dOptions {
  Extent stride = 1;
  Extent padding = 0;  // zeros on each side
  Activation activation = Activation::none;
};
// activation(conv(x, weight) + bias): x [n, h, w, in], weight [out, kh, kw, in], bias [out] or
// undefined -> [n, (h + 2 pad - kh) / stride + 1, ..., out]. Floating point; the
// bias may be f32 beside halves.
Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
              const Conv2dOptions& options = {});

struct PoolOptions {
  Extent window = 2;
  Extent stride = 0;   // 0: the window
  Extent padding = 0;  // at most half the window
};
// x [n, h, w, c] -> [n, (h + 2 pad - window) / stride + 1, ..., c]. Padding never wins; NaN does.
Tensor max_pool2d(const Tensor& x, const PoolOptions& options = {});
// The mean over the whole window, padding (0) included.
Tensor avg_pool2d(const Tensor& x, const PoolOptions& options = {});

struct Pad2dOptions {
  Extent before = 0;  // rows above, columns on the left
  Extent after = 0;   // rows below, columns on the right
  double value = 0;
};
// x [n, h, w, c] with a margin: [n, before + h + after, ..., c]. Floating point.
Tensor pad2d(const Tensor& x, const Pad2dOptions& options);

}  // namespace lockstep
