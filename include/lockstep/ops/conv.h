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

// What lies around an image: above and on the left, below and on the right. One extent stands for
// both.
struct Padding {
  Extent before, after;
  constexpr Padding(int all) : before(all), after(all) {}  // NOLINT: .padding = 1
  constexpr Padding(int rows, int columns) : before(rows, columns), after(rows, columns) {}
  constexpr Padding(Extent both) : before(both), after(both) {}  // NOLINT
  constexpr Padding(Extent above, Extent below) : before(above), after(below) {}
};

struct Conv2dOptions {
  Extent stride = 1;
  Padding padding = 0;  // zeros
  Activation activation = Activation::none;
};
// activation(conv(x, weight) + bias): x [n, h, w, in], weight [out, kh, kw, in], bias [out] or
// undefined -> [n, (before + h + after - kh) / stride + 1, ..., out]. Floating point.
Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
              const Conv2dOptions& options = {});

struct PoolOptions {
  Extent window = 2;
  Extent stride = 0;           // 0: the window
  Padding padding = 0;         // at most half the window
  bool counts_padding = true;  // as zeros in avg_pool2d; else its mean is over what lies in x
};
// x [n, h, w, c] -> [n, (before + h + after - window) / stride + 1, ..., c]. Padding never wins;
// NaN does.
Tensor max_pool2d(const Tensor& x, const PoolOptions& options = {});
// The mean over each window.
Tensor avg_pool2d(const Tensor& x, const PoolOptions& options = {});

struct Pad2dOptions {
  Extent before = 0;  // rows above, columns on the left
  Extent after = 0;   // rows below, columns on the right
  double value = 0;
};
// x [n, h, w, c] with a margin: [n, before + h + after, ..., c]. Floating point.
Tensor pad2d(const Tensor& x, const Pad2dOptions& options);

}  // namespace lockstep
