// The kernel calls: plain structs of fixed size, copyable and replayable; what changes from step to
// step is read through a pointer.
#pragma once

#include <cstdint>
#include <type_traits>

#include "lockstep/core/random.h"
#include "lockstep/core/shard.h"
#include "lockstep/core/view.h"

namespace lockstep::kernels {

// The position of an op in its list (kernels/math/op_list.h).
using OpId = std::int16_t;

// value: the op. slope: the gradient of the first input; slope_b: of the second.
enum class Pass : std::uint8_t { value, slope, slope_b };
enum class Write : std::uint8_t { store, add };
// What an epilogue applies to a GEMM's or convolution's result.
enum class Activation : std::uint8_t { none, relu, gelu, tanh, sigmoid };

// out (+)= op(in...), element by element. All views have out's sizes (stride 0 where broadcast).
// value: in = {x} or {a, b}. slope passes: in = {x, y, g} or {a, b, y, g}: out (+)= g * slope;
// views of values that the op does not use (Op::uses_input, Op::uses_output) have null data.
struct PointwiseCall {
  OpId op = 0;
  Pass pass = Pass::value;
  Write write = Write::store;
  View in[4];
  View out;
  double scalars[2] = {};
};

// Ops along one axis (softmax, losses). in/out are as the op's struct in kernels/math/rows.h says.
struct RowsCall {
  OpId op = 0;
  Pass pass = Pass::value;
  Write write = Write::store;
  int axis = 0;
  View in[4];
  View out[2];
  double scalars[2] = {};
};

enum class ReduceOp : std::uint8_t { sum, sum_of_squares, max, min, argmax };
// out has in's rank, with size 1 on the reduced axes; argmax reduces one axis to i64, first on
// ties. The sum is multiplied by `scale`. Integer sums are i64; halves accumulate in f32,
// sum_of_squares may write f64.
struct ReduceCall {
  ReduceOp op = ReduceOp::sum;
  Write write = Write::store;
  View in;
  View out;
  double scale = 1;
};

// out (+)= activation(a b + bias). a: [m, k], b: [k, n], out: [m, n], or all three with one leading
// batch axis; any strides (a transpose is a pair of swapped strides). bias: [n] or null data, with
// Write::store only.
struct GemmCall {
  Write write = Write::store;
  Activation activation = Activation::none;
  View a;
  View b;
  View bias;
  View out;
  std::uint64_t weight_key = 0;  // identifies `b` for packed copies; 0: do not keep one
  std::uint64_t weight_version = 0;
};

struct Window {
  int height = 1, width = 1;
  int stride_height = 1, stride_width = 1;
  int pad_height = 0, pad_width = 0;  // above and on the left; the sizes imply the rest
};

enum class ConvPass : std::uint8_t { value, data, weight };
// x: [n, h, w, ci] and y: [n, oh, ow, co] NHWC, weight: [co, kh, kw, ci] OHWI, or [co, kh, kw, 1]
// with co = ci > 1 where each channel is convolved by itself, bias: [co] or null data; contiguous.
// value: y = activation(conv(x) + bias). data: x (+)= the gradient for x of y's
// gradient g. weight: weight (+)= its gradient and, unless null, bias (+)= its own (bias_write).
// With an activation the gradient passes take its result y too and use g * slope(y).
struct ConvCall {
  ConvPass pass = ConvPass::value;
  Write write = Write::store;
  Write bias_write = Write::store;
  Activation activation = Activation::none;
  View x, weight, bias, y, g;
  Window window;
  std::uint64_t weight_key = 0;
  std::uint64_t weight_version = 0;
};

enum class PoolOp : std::uint8_t { max, average };
// x: [n, h, w, c], y and g: [n, oh, ow, c]. max keeps the window's first maximum as an i32 offset
// within the image plane (h * width + w; -1 for a window of padding only) in `indices` [n, oh, ow,
// c]. NaN wins. average divides by the whole window, or by its part within the image
// (counts_padding). slope: x (+)= gradient.
struct PoolCall {
  PoolOp op = PoolOp::max;
  Pass pass = Pass::value;
  Write write = Write::store;
  bool counts_padding = true;
  View x, y, g, indices;
  Window window;
};

// Batch normalisation over the last axis of [rows, channels] (Ioffe, Szegedy, 2015).
// value, training: mean and inverse_deviation are written, running_* are updated in place with
// `momentum` (unbiased variance); value, evaluation: running_* are used. y = (x - mean) *
// inverse_deviation * weight + bias. slope: dx (+)=, dweight (+)=, dbias (+)= from x, g, mean,
// inverse_deviation. relu: y = max(0, .), slope uses y.
struct BatchNormCall {
  Pass pass = Pass::value;
  bool training = true;
  bool relu = false;
  Write write_x = Write::store, write_weight = Write::store, write_bias = Write::store;
  View x, y, g, weight, bias, running_mean, running_variance, mean, inverse_deviation;
  View dx, dweight, dbias;  // null data: not wanted
  double momentum = 0.1, epsilon = 1e-5;
};

// out (+)= scale * in, converted to out's dtype; any strides (0: broadcast). Covers copy, cast,
// transpose. With null data in `in` it is a fill: every element of out becomes `scale`.
struct CopyCall {
  Write write = Write::store;
  View in;
  View out;
  double scale = 1;
};

// gather: out[i...] = table[index[i]] along axis 0. scatter_add: table[index[i]] += in[i], in the
// order of i. index: i64 [n], checked against the table's size by the caller.
struct GatherCall {
  View table;
  View index;
  View rows;  // [n, ...]
};

// along an axis: out[.., index[..], ..] of the axis (+)= g. The gradient of max over an axis.
struct PickCall {
  Write write = Write::store;
  int axis = 0;
  View index;  // i64, size 1 on the axis
  View g;      // like index
  View out;    // every element is written
};

enum class RandomOp : std::uint8_t { uniform, normal, dropout };
// uniform: [a, b). normal: mean a, deviation b. dropout: out (+)= in / (1 - a) where the element's
// word is
// >= a * 2^32, else 0; the same key gives the same mask, so the gradient is the same call on g.
// Logical element i takes word i mod 4 of counter i / 4.
struct RandomCall {
  RandomOp op = RandomOp::uniform;
  Write write = Write::store;
  const core::RngKey* key = nullptr;
  View in;
  View out;
  double a = 0, b = 1;
};

// What an update reads at run time, in memory that the optimizer owns.
struct UpdateScalars {
  double learning_rate = 0, weight_decay = 0;
  double momentum = 0, dampening = 0;
  double beta1 = 0, beta2 = 0, epsilon = 0;
  double gradient_scale = 1;  // gradients are multiplied by it first (clipping, 1 / weight)
  std::int64_t step = 1;      // 1 for the first update
  bool nesterov = false;
};
// One pass over a flat range: parameter -= rule(gradient * gradient_scale, state). States are zero
// at the start. Rules: kernels/math/update.h. All contiguous, of one dtype (f32 or f64). The
// parameters of f32 are written a second time to `shadow`, unless it is null, as halves.
struct UpdateCall {
  OpId rule = 0;
  std::int64_t count = 0;
  DType dtype = DType::f32;
  void* parameter = nullptr;
  const void* gradient = nullptr;
  void* state[2] = {};
  void* shadow = nullptr;
  DType shadow_dtype = DType::bf16;
  const UpdateScalars* scalars = nullptr;
  bool claims_gradient = false;  // it lies in other cores' caches, and is overwritten here next
};

enum class FoldOp : std::uint8_t { sum, product, min, max };
// out = the fold of `inputs` partials by a stack program (core/shard.h), then times `scale` (sum
// only). out may be one of the inputs. All dtypes; halves are added in f32 and rounded once per
// addition. Each of `copies` receives what `out` does, and may be one of the inputs as well.
struct FoldCall {
  FoldOp op = FoldOp::sum;
  DType dtype = DType::f32;
  std::int64_t count = 0;
  const void* const* in = nullptr;
  int inputs = 0;
  const core::FoldStep* program = nullptr;
  int steps = 0;
  void* out = nullptr;
  double scale = 1;
  void* const* copies = nullptr;
  int copy_count = 0;
  bool passes_by_cache = false;  // for results that nobody reads before they would be evicted
};

static_assert(std::is_trivially_copyable_v<PointwiseCall> &&
              std::is_trivially_copyable_v<RowsCall> && std::is_trivially_copyable_v<ConvCall> &&
              std::is_trivially_copyable_v<GemmCall>);

}  // namespace lockstep::kernels
