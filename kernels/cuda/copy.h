// Copies of any views: moves and casts in steps of several elements where the views allow it,
// squares through fast memory where they transpose.
#pragma once

#include <algorithm>
#include <type_traits>

#include "kernels/cuda/pack.h"
#include "kernels/cuda/walk.h"
#include "kernels/math/element.h"
#include "lockstep/kernels/calls.h"

namespace lockstep::kernels::cuda {

struct CopyArguments {
  Walk<2> walk;  // out, in
  void* out;
  const void* in;
  DType from;
  bool is_constant;  // in, along a step
  bool is_plain;     // no scale, no addition
  bool is_added;
  double scale;
};

// The type in which scale * in + out is computed.
template <class T>
inline constexpr bool is_wide = sizeof(T) == 8 || std::is_same_v<T, std::int32_t>;
template <class In, class Out>
using Middle = std::conditional_t<is_wide<In> || is_wide<Out>, double, float>;

// The new value of an element that was `old`.
template <class Out, class In> LS_HD Out copied(In value, Out old, const CopyArguments& a) {
  if (a.is_plain) return math::converted<Out>(value);
  using M = Middle<In, Out>;
  const M scaled = math::converted<M>(value) * static_cast<M>(a.scale);
  return math::converted<Out>(a.is_added ? math::converted<M>(old) + scaled : scaled);
}

template <class In, class Out, int width>
LS_HD void copy_step(const CopyArguments& a, const std::int64_t (&at)[2]) {
  const Pack<In, width> in = loaded<width>(static_cast<const In*>(a.in) + at[1], a.is_constant);
  auto& place = *reinterpret_cast<Pack<Out, width>*>(static_cast<Out*>(a.out) + at[0]);
  Pack<Out, width> out = {};
  if (a.is_added) out = place;
  for (int k = 0; k < width; ++k) out.values[k] = copied<Out>(in.values[k], out.values[k], a);
  place = out;
}

// Between two types that are known, several elements a step: moves and mixed precision.
template <class In, class Out, int width> struct CopyStep {
  CopyArguments a;

  LS_HD void operator()(std::uint32_t i) const {
    std::int64_t at[2];
    a.walk.find(i, at);
    copy_step<In, Out, width>(a, at);
  }
};

// From any type, one element a step. The type is the same for all threads, so the switch costs
// little.
template <class Out> struct ConvertStep {
  CopyArguments a;

  LS_HD void operator()(std::uint32_t i) const {
    std::int64_t at[2];
    a.walk.find(i, at);
    switch (a.from) {
      case DType::f64:
        copy_step<double, Out, 1>(a, at);
        break;
      case DType::f32:
        copy_step<float, Out, 1>(a, at);
        break;
      case DType::f16:
        copy_step<float16, Out, 1>(a, at);
        break;
      case DType::bf16:
        copy_step<bfloat16, Out, 1>(a, at);
        break;
      case DType::i64:
        copy_step<std::int64_t, Out, 1>(a, at);
        break;
      case DType::i32:
        copy_step<std::int32_t, Out, 1>(a, at);
        break;
      case DType::i8:
        copy_step<std::int8_t, Out, 1>(a, at);
        break;
      case DType::u8:
        copy_step<std::uint8_t, Out, 1>(a, at);
        break;
      case DType::boolean:
        copy_step<bool, Out, 1>(a, at);
        break;
    }
  }
};

// Every element of out becomes one number.
template <class Out> struct FillStep {
  Walk<1> walk;
  Out* out;
  Out value;

  LS_HD void operator()(std::uint32_t i) const {
    std::int64_t at[1];
    walk.find(i, at);
    out[at[0]] = value;
  }
};

template <class On> void fill_on(const On& on, const View& out, double value) {
  with_type(out.dtype, [&]<class Out>(Out) {
    for_pieces(sorted_loop<1>({&out}), [&](const Loop<1>& loop, const std::int64_t(&offsets)[1]) {
      const Walk<1> walk = walk_of(loop, 1);
      const auto number = math::converted<Out>(value);
      on.for_steps(walk.steps, FillStep<Out>{walk, out.as<Out>() + offsets[0], number});
      on.launched("copy", "fill");
    });
  });
}

// Rows and columns of a square that is transposed in fast memory.
inline constexpr int tile = 32;

// What a transposing move needs: squares of the two axes, and the walk over all others.
struct TransposeArguments {
  Walk<2> outer;
  void* out;
  const void* in;
  std::uint32_t rows, columns;  // rows: contiguous in out; columns: contiguous in in
  std::int64_t in_stride, out_stride;
  std::uint32_t row_tiles, tiles;  // tiles of one matrix
};

template <class In, class Out, int width, class On>
void run_packed(const On& on, const Loop<2>& loop, CopyArguments a) {
  a.walk = walk_of(loop, width);
  on.for_steps(a.walk.steps, CopyStep<In, Out, width>{a});
}

// True where the views of two types allow steps of several elements.
template <class In, class Out, class On>
bool packed(const On& on, const Loop<2>& loop, const CopyArguments& a) {
  constexpr int width = static_cast<int>(16 / std::max(sizeof(In), sizeof(Out)));
  const bool is_aligned = can_step(loop, {a.out, a.out}, width, sizeof(Out)) &&
                          can_step(loop, {a.in, a.in}, width, sizeof(In));
  if (is_aligned) run_packed<In, Out, width>(on, loop, a);
  return is_aligned;
}

// The axis along which `in` is contiguous while `out` is along the innermost one; -1: no such pair.
inline int transposed_axis(const Loop<2>& loop) {
  if (loop.inner_stride(0) != 1 || loop.inner_stride(1) < 2 || loop.inner() < tile / 2) return -1;
  for (int axis = 0; axis < loop.rank - 1; ++axis) {
    if (loop.strides[axis][1] == 1 && loop.sizes[axis] >= tile / 2) return axis;
  }
  return -1;
}

inline TransposeArguments transpose_of(const Loop<2>& loop, int across, const CopyArguments& a) {
  Loop<2> outer;
  for (int axis = 0; axis < loop.rank - 1; ++axis) {
    if (axis != across) outer.append(loop.sizes[axis], loop.strides[axis]);
  }
  outer.merge();
  TransposeArguments t{.outer = walk_of(outer, 1),
                       .out = a.out,
                       .in = a.in,
                       .rows = static_cast<std::uint32_t>(loop.inner()),
                       .columns = static_cast<std::uint32_t>(loop.sizes[across]),
                       .in_stride = loop.inner_stride(1),
                       .out_stride = loop.strides[across][0]};
  t.row_tiles = (t.rows + tile - 1) / tile;
  t.tiles = t.row_tiles * ((t.columns + tile - 1) / tile);
  return t;
}

// A move between two views of one type, as bits of its size.
template <class Bits, class On>
void move_bits(const On& on, const Loop<2>& loop, const CopyArguments& a) {
  const int across = transposed_axis(loop);
  if (across >= 0) return on.template transpose<Bits>(transpose_of(loop, across, a));
  if (!packed<Bits, Bits>(on, loop, a)) run_packed<Bits, Bits, 1>(on, loop, a);
}

template <class On>
void move(const On& on, const Loop<2>& loop, const CopyArguments& a, std::size_t element) {
  switch (element) {
    case 1:
      return move_bits<std::uint8_t>(on, loop, a);
    case 2:
      return move_bits<std::uint16_t>(on, loop, a);
    case 4:
      return move_bits<std::uint32_t>(on, loop, a);
    default:
      return move_bits<std::uint64_t>(on, loop, a);
  }
}

// The pairs of types that mixed precision and gradients of views use, in steps of several elements.
template <class On>
bool common(const On& on, const Loop<2>& loop, const CopyArguments& a, DType to) {
  if (to == DType::f32) {
    if (a.from == DType::f32) return packed<float, float>(on, loop, a);
    if (a.from == DType::bf16) return packed<bfloat16, float>(on, loop, a);
    if (a.from == DType::f16) return packed<float16, float>(on, loop, a);
  }
  if (to == DType::bf16 && a.from == DType::f32) return packed<float, bfloat16>(on, loop, a);
  if (to == DType::f16 && a.from == DType::f32) return packed<float, float16>(on, loop, a);
  return false;
}

template <class On> void convert(const On& on, const Loop<2>& loop, CopyArguments a, DType to) {
  a.walk = walk_of(loop, 1);
  with_type(to, [&]<class Out>(Out) { on.for_steps(a.walk.steps, ConvertStep<Out>{a}); });
}

// `on` has transpose<Bits>(TransposeArguments) too.
template <class On> void copy_on(const On& on, const CopyCall& call) {
  if (call.in.data == nullptr) return fill_on(on, call.out, call.scale);
  const bool is_plain = call.write == Write::store && call.scale == 1;
  const bool is_moved = is_plain && call.in.dtype == call.out.dtype;
  const auto out_bytes = static_cast<std::int64_t>(size_of(call.out.dtype));
  const auto in_bytes = static_cast<std::int64_t>(size_of(call.in.dtype));
  for_pieces(sorted_loop<2>({&call.out, &call.in}),
             [&](const Loop<2>& loop, const std::int64_t(&offsets)[2]) {
               const CopyArguments a{.out = call.out.as<char>() + offsets[0] * out_bytes,
                                     .in = call.in.as<char>() + offsets[1] * in_bytes,
                                     .from = call.in.dtype,
                                     .is_constant = loop.inner_stride(1) == 0,
                                     .is_plain = is_plain,
                                     .is_added = call.write == Write::add,
                                     .scale = call.scale};
               if (is_moved) {
                 move(on, loop, a, size_of(call.out.dtype));
               } else if (!common(on, loop, a, call.out.dtype)) {
                 convert(on, loop, a, call.out.dtype);
               }
               on.launched("copy", "");
             });
}

}  // namespace lockstep::kernels::cuda
