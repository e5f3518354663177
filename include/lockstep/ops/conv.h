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
  Extent dilation = 1;  // the distance of the kernel's taps; 1 where the stride is not
  int groups = 1;       // of channels that see nothing of each other
  Activation activation = Activation::none;
};
// activation(conv(x, weight) + bias): x [n, h, w, in], weight [out, kh, kw, in / groups], bias
// [out] or undefined -> [n, (before + h + after - (kh - 1) dilation - 1) / stride + 1, ..., out].
// Depthwise with groups = in. Floating point; the bias may be f32 beside halves.
Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
              const Conv2dOptions& options = {});

struct ConvTranspose2dOptions {
  Extent stride = 1;
  // Rows and columns taken off the result; below and on the right up to stride - 1 of zeros are
  // added where it is negative.
  Padding padding = 0;
  Activation activation = Activation::none;
};
// The gradient of conv2d for its input as a layer: each pixel of x [n, h, w, in] adds its multiple
// of the weight [in, kh, kw, out] to the result: activation(. + bias) of
// [n, (h - 1) stride + kh - before - after, ..., out]. Floating point.
Tensor conv_transpose2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
                        const ConvTranspose2dOptions& options = {});

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
