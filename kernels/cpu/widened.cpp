#include "kernels/cpu/widened.h"

#include "kernels/cpu/conv.h"
#include "kernels/cpu/families.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/pool.h"
#include "kernels/cpu/scratch.h"

namespace lockstep::kernels::cpu::widened {
namespace {

// A contiguous f32 place of the view's sizes; a null view stays one.
View place_for(const View& view, Scratch purpose) {
  if (view.data == nullptr) return view;
  View place = view;
  place.dtype = DType::f32;
  place.data = scratch<float>(purpose, view.elements());
  std::int64_t step = 1;
  for (int axis = view.rank() - 1; axis >= 0; --axis) {
    place.strides[axis] = step;
    step *= view.sizes[axis];
  }
  return place;
}

View wide(const View& view, Scratch purpose) {
  const View place = place_for(view, purpose);
  if (view.data != nullptr) copy({.in = view, .out = place});
  return place;
}

void round_to(const View& out, const View& result, Write write) {
  if (out.data != nullptr) copy({.write = write, .in = result, .out = out});
}

}  // namespace

void gemm(const GemmCall& call) {
  GemmCall f32{.activation = call.activation,
               .a = wide(call.a, Scratch::wide_x),
               .b = wide(call.b, Scratch::wide_weight),
               .bias = wide(call.bias, Scratch::wide_bias),
               .out = place_for(call.out, Scratch::wide_y)};
  cpu::gemm(f32);
  round_to(call.out, f32.out, call.write);
}

void conv(const ConvCall& call) {
  const bool is_value = call.pass == ConvPass::value;
  ConvCall f32{.pass = call.pass, .activation = call.activation, .window = call.window};
  f32.x = call.pass == ConvPass::data ? place_for(call.x, Scratch::wide_x)
                                      : wide(call.x, Scratch::wide_x);
  f32.weight = call.pass == ConvPass::weight ? place_for(call.weight, Scratch::wide_weight)
                                             : wide(call.weight, Scratch::wide_weight);
  f32.bias =
      is_value ? wide(call.bias, Scratch::wide_bias) : place_for(call.bias, Scratch::wide_bias);
  f32.y = is_value ? place_for(call.y, Scratch::wide_y) : wide(call.y, Scratch::wide_y);
  f32.g = wide(call.g, Scratch::wide_g);
  cpu::conv(f32);
  switch (call.pass) {
    case ConvPass::value:
      return round_to(call.y, f32.y, call.write);
    case ConvPass::data:
      return round_to(call.x, f32.x, call.write);
    case ConvPass::weight:
      round_to(call.weight, f32.weight, call.write);
      round_to(call.bias, f32.bias, call.bias_write);
  }
}

void pool(const PoolCall& call) {
  PoolCall f32 = call;
  f32.write = Write::store;
  if (call.pass == Pass::value) {
    f32.x = wide(call.x, Scratch::wide_x);
    f32.y = place_for(call.y, Scratch::wide_y);
    cpu::pool(f32);
    return round_to(call.y, f32.y, call.write);
  }
  f32.x = place_for(call.x, Scratch::wide_x);
  f32.y = wide(call.y, Scratch::wide_y);
  f32.g = wide(call.g, Scratch::wide_g);
  cpu::pool(f32);
  round_to(call.x, f32.x, call.write);
}

}  // namespace lockstep::kernels::cpu::widened
