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

// A result is computed in its place if that is f32 already, else in scratch memory, and rounded.
struct Result {
  View place;
  Write write;

  Result(const View& out, Write wanted, Scratch purpose)
      : place(out.dtype == DType::f32 ? out : place_for(out, purpose)),
        write(place.data == out.data ? wanted : Write::store) {}

  void settle(const View& out, Write wanted) const {
    if (place.data != out.data) copy({.write = wanted, .in = place, .out = out});
  }
};

}  // namespace

void gemm(const GemmCall& call) {
  const Result result(call.out, call.write, Scratch::wide_y);
  cpu::gemm({.write = result.write,
             .activation = call.activation,
             .a = wide(call.a, Scratch::wide_x),
             .b = wide(call.b, Scratch::wide_weight),
             .bias = wide(call.bias, Scratch::wide_bias),
             .out = result.place});
  result.settle(call.out, call.write);
}

void conv(const ConvCall& call) {
  ConvCall f32{.pass = call.pass, .activation = call.activation, .window = call.window};
  f32.g = wide(call.g, Scratch::wide_g);
  if (call.pass != ConvPass::data) f32.x = wide(call.x, Scratch::wide_x);
  if (call.pass != ConvPass::weight) f32.weight = wide(call.weight, Scratch::wide_weight);
  if (call.pass != ConvPass::value) f32.y = wide(call.y, Scratch::wide_y);
  const auto compute = [&](View& place, const View& out, Scratch purpose) {
    const Result result(out, call.write, purpose);
    place = result.place;
    f32.write = result.write;
    cpu::conv(f32);
    result.settle(out, call.write);
  };
  switch (call.pass) {
    case ConvPass::value:
      f32.bias = wide(call.bias, Scratch::wide_bias);
      return compute(f32.y, call.y, Scratch::wide_y);
    case ConvPass::data:
      return compute(f32.x, call.x, Scratch::wide_x);
    case ConvPass::weight:
      const Result bias(call.bias, call.bias_write, Scratch::wide_bias);
      f32.bias = bias.place;
      f32.bias_write = bias.write;
      compute(f32.weight, call.weight, Scratch::wide_weight);
      bias.settle(call.bias, call.bias_write);
  }
}

void pool(const PoolCall& call) {
  PoolCall f32 = call;
  f32.write = Write::store;
  if (call.pass == Pass::value) {
    f32.x = wide(call.x, Scratch::wide_x);
    f32.y = place_for(call.y, Scratch::wide_y);
    cpu::pool(f32);
    return copy({.write = call.write, .in = f32.y, .out = call.y});
  }
  f32.x = place_for(call.x, Scratch::wide_x);
  f32.y = wide(call.y, Scratch::wide_y);
  f32.g = wide(call.g, Scratch::wide_g);
  cpu::pool(f32);
  copy({.write = call.write, .in = f32.x, .out = call.x});
}

}  // namespace lockstep::kernels::cpu::widened
