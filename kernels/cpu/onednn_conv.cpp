// Convolutions: NHWC images, OHWI weights as parameters, whatever oneDNN likes best inside.
#include "kernels/cpu/activation.h"
#include "kernels/cpu/conv_shape.h"
#include "kernels/cpu/convert.h"
#include "kernels/cpu/families.h"
#include "kernels/cpu/onednn.h"
#include "kernels/cpu/onednn_primitives.h"
#include "kernels/cpu/relu_bf16.h"

namespace lockstep::kernels::cpu::onednn {
namespace {

using Dims = dnnl::memory::dims;
using Tag = dnnl::memory::format_tag;
using Key = std::array<std::int64_t, 15>;

struct Convolution {
  dnnl::primitive primitive;
  dnnl::memory::desc x, weight, packed_weight, bias, y, scratchpad;
};

bool is_bf16(const View& view) { return view.dtype == DType::bf16; }

// Images and weights are bf16; biases and the gradients of weights may be f32.
bool has_known_types(const ConvCall& call) {
  const auto is_known = [](const View& view) {
    return view.data == nullptr || is_bf16(view) || view.dtype == DType::f32;
  };
  const bool is_weight = call.pass == ConvPass::weight;
  return is_bf16(call.x) && (is_weight ? is_known(call.weight) : is_bf16(call.weight)) &&
         is_known(call.bias);
}

bool is_for_onednn(const ConvCall& call, const ConvShape& s) {
  return multiplies_bf16() && has_known_types(call) && s.images > 0 && s.out_pixels() > 0 &&
         s.taps_size() > 0 && s.out_channels > 0 && s.image_size() > 0;
}

Key key_of(const ConvCall& call, const ConvShape& s) {
  const std::int64_t bias = call.bias.data == nullptr ? 0 : is_bf16(call.bias) ? 1 : 2;
  return {static_cast<std::int64_t>(call.pass),
          2 * bias + (is_bf16(call.weight) ? 1 : 0),
          s.images,
          s.height,
          s.width,
          s.channels,
          s.out_height * 0x10000 + s.out_width,
          s.out_channels,
          s.taps_height,
          s.taps_width,
          s.stride_height,
          s.stride_width,
          s.pad_height,
          s.pad_width,
          threads()};
}

// The arguments that primitives of all passes are made of.
struct Description {
  dnnl::memory::desc x, any_weight, any_weight_gradient, bias, y;
  bool has_bias;
  Dims strides, before, after;
};

Description description_of(const ConvCall& call, const Convolution& c, const ConvShape& s) {
  return {.x = c.x,
          .any_weight = {c.weight.dims(), DataType::bf16, Tag::any},
          .any_weight_gradient = {c.weight.dims(), type_of(call.weight.dtype), Tag::any},
          .bias = c.bias,
          .y = c.y,
          .has_bias = call.bias.data != nullptr,
          .strides = {s.stride_height, s.stride_width},
          .before = {s.pad_height, s.pad_width},
          .after = {(s.out_height - 1) * s.stride_height + s.taps_height - s.height - s.pad_height,
                    (s.out_width - 1) * s.stride_width + s.taps_width - s.width - s.pad_width}};
}

constexpr auto direct = dnnl::algorithm::convolution_direct;

#if DNNL_VERSION_MAJOR >= 3
dnnl::convolution_forward::primitive_desc forward_of(const Description& d) {
  const auto kind = dnnl::prop_kind::forward_training;
  if (d.has_bias)
    return {engine(), kind,      direct,   d.x,     d.any_weight,     d.bias,
            d.y,      d.strides, d.before, d.after, user_scratchpad()};
  return {engine(), kind,      direct,   d.x,     d.any_weight,
          d.y,      d.strides, d.before, d.after, user_scratchpad()};
}
dnnl::convolution_backward_data::primitive_desc data_of(const Description& d) {
  return {engine(),  direct,   d.x,     d.any_weight,  d.y,
          d.strides, d.before, d.after, forward_of(d), user_scratchpad()};
}
dnnl::convolution_backward_weights::primitive_desc weights_of(const Description& d) {
  if (d.has_bias)
    return {engine(),  direct,   d.x,     d.any_weight_gradient, d.bias,           d.y,
            d.strides, d.before, d.after, forward_of(d),         user_scratchpad()};
  return {engine(),  direct,   d.x,     d.any_weight_gradient, d.y,
          d.strides, d.before, d.after, forward_of(d),         user_scratchpad()};
}
#else
dnnl::convolution_forward::primitive_desc forward_of(const Description& d) {
  using Desc = dnnl::convolution_forward::desc;
  const auto kind = dnnl::prop_kind::forward_training;
  const Desc desc =
      d.has_bias ? Desc(kind, direct, d.x, d.any_weight, d.bias, d.y, d.strides, d.before, d.after)
                 : Desc(kind, direct, d.x, d.any_weight, d.y, d.strides, d.before, d.after);
  return {desc, user_scratchpad(), engine()};
}
dnnl::convolution_backward_data::primitive_desc data_of(const Description& d) {
  return {{direct, d.x, d.any_weight, d.y, d.strides, d.before, d.after},
          user_scratchpad(),
          engine(),
          forward_of(d)};
}
dnnl::convolution_backward_weights::primitive_desc weights_of(const Description& d) {
  using Desc = dnnl::convolution_backward_weights::desc;
  const Desc desc =
      d.has_bias
          ? Desc(direct, d.x, d.any_weight_gradient, d.bias, d.y, d.strides, d.before, d.after)
          : Desc(direct, d.x, d.any_weight_gradient, d.y, d.strides, d.before, d.after);
  return {desc, user_scratchpad(), engine(), forward_of(d)};
}
#endif

template <class Primitive, class PrimitiveDesc>
void finish(Convolution& c, const PrimitiveDesc& description, const dnnl::memory::desc& weight) {
  c.packed_weight = weight;
  c.scratchpad = description.scratchpad_desc();
  c.primitive = Primitive(description);
}

// Does some output pixel use each of the `taps`?
bool uses_every_tap(std::int64_t taps, std::int64_t outputs, std::int64_t stride, std::int64_t pad,
                    std::int64_t size) {
  for (std::int64_t tap = 0; tap < taps; ++tap) {
    bool is_used = false;
    for (std::int64_t out = 0; out < outputs && !is_used; ++out) {
      const std::int64_t at = out * stride - pad + tap;
      is_used = at >= 0 && at < size;
    }
    if (!is_used) return false;
  }
  return true;
}

// oneDNN 2.6 leaves the weight gradients of taps that only padding meets as they were.
bool is_sound(const ConvCall& call, const ConvShape& s) {
  return call.pass != ConvPass::weight ||
         (uses_every_tap(s.taps_height, s.out_height, s.stride_height, s.pad_height, s.height) &&
          uses_every_tap(s.taps_width, s.out_width, s.stride_width, s.pad_width, s.width));
}

std::optional<Convolution> make(const ConvCall& call, const ConvShape& s) {
  if (!is_sound(call, s)) return std::nullopt;
  Convolution c;
  c.x = {Dims{s.images, s.channels, s.height, s.width}, DataType::bf16, Tag::nhwc};
  c.y = {Dims{s.images, s.out_channels, s.out_height, s.out_width}, DataType::bf16, Tag::nhwc};
  const std::int64_t tap = s.channels, line = s.taps_width * tap;
  c.weight = {Dims{s.out_channels, s.channels, s.taps_height, s.taps_width},
              type_of(call.weight.dtype), Dims{s.taps_height * line, 1, line, tap}};
  c.bias = {Dims{s.out_channels}, type_of(call.bias.dtype), Tag::x};
  const Description d = description_of(call, c, s);
  if (call.pass == ConvPass::value) {
    const auto description = forward_of(d);
    finish<dnnl::convolution_forward>(c, description, description.weights_desc());
  } else if (call.pass == ConvPass::data) {
    const auto description = data_of(d);
    finish<dnnl::convolution_backward_data>(c, description, description.weights_desc());
  } else {
    const auto description = weights_of(d);
    finish<dnnl::convolution_backward_weights>(c, description, description.diff_weights_desc());
  }
  return c;
}

// The gradient before the activation: g, or a copy of it times the slope at y.
const void* gradient_before(const ConvCall& call) {
  if (call.activation == Activation::none) return call.g.data;
  const std::int64_t count = call.g.elements();
  auto* before = scratch<bfloat16>(Scratch::wide_g, count);
  const auto* g = call.g.as<bfloat16>();
  const auto* y = call.y.as<bfloat16>();
  if (call.activation == Activation::relu) {
    relu_slope_bf16(g, y, before, count);
    return before;
  }
  with_slope(call.activation, [&]<class Op>(Op) {
    constexpr std::int64_t together = 1024;
    float wide_g[together], wide_y[together];
    for (std::int64_t i = 0; i < count; i += together) {
      const std::int64_t n = std::min(together, count - i);
      load_run(g + i, 1, wide_g, n);
      load_run(y + i, 1, wide_y, n);
      copy_through<Op>(wide_g, wide_y, 0, wide_g, n);
      store_run(wide_g, before + i, 1, n);
    }
  });
  return before;
}

// Where a result goes first: to its place, or to scratch memory when it is added there afterwards.
View place_of(const View& out, Write write, Scratch purpose) {
  View place = out;
  if (write == Write::add && out.data != nullptr)
    place.data =
        scratch_bytes(purpose, static_cast<std::size_t>(out.elements()) * size_of(out.dtype));
  return place;
}

void settle(const View& place, const View& out) {
  if (place.data != out.data) copy({.write = Write::add, .in = place, .out = out});
}

void value(const ConvCall& call, const Convolution& c, std::uint64_t number) {
  const PackedKey key{
      .weight = call.weight_key, .version = call.weight_version, .packing = Packing::conv_value};
  const View y = place_of(call.y, call.write, Scratch::wide_y);
  Arguments arguments{
      {DNNL_ARG_SRC, memory_at(c.x, call.x.data)},
      {DNNL_ARG_WEIGHTS, packed(c.weight, c.packed_weight, call.weight.data, key, number)},
      {DNNL_ARG_DST, memory_at(c.y, y.data)}};
  if (call.bias.data != nullptr)
    arguments.emplace(DNNL_ARG_BIAS, memory_at(c.bias, call.bias.data));
  execute(c.primitive, std::move(arguments), c.scratchpad);
  activate_bf16(call.activation, y.data, y.elements());
  settle(y, call.y);
}

void data_gradient(const ConvCall& call, const Convolution& c, std::uint64_t number) {
  const PackedKey key{
      .weight = call.weight_key, .version = call.weight_version, .packing = Packing::conv_data};
  const View x = place_of(call.x, call.write, Scratch::wide_x);
  execute(c.primitive,
          {{DNNL_ARG_DIFF_DST, memory_at(c.y, gradient_before(call))},
           {DNNL_ARG_WEIGHTS, packed(c.weight, c.packed_weight, call.weight.data, key, number)},
           {DNNL_ARG_DIFF_SRC, memory_at(c.x, x.data)}},
          c.scratchpad);
  settle(x, call.x);
}

void weight_gradient(const ConvCall& call, const Convolution& c) {
  const View weight = place_of(call.weight, call.write, Scratch::wide_weight);
  const View bias = place_of(call.bias, call.bias_write, Scratch::wide_bias);
  const bool is_direct = c.packed_weight == c.weight;
  void* result =
      is_direct ? weight.data : scratch_bytes(Scratch::weights, c.packed_weight.get_size());
  const dnnl::memory packed_gradient = memory_at(c.packed_weight, result);
  Arguments arguments{{DNNL_ARG_SRC, memory_at(c.x, call.x.data)},
                      {DNNL_ARG_DIFF_DST, memory_at(c.y, gradient_before(call))},
                      {DNNL_ARG_DIFF_WEIGHTS, packed_gradient}};
  if (bias.data != nullptr) arguments.emplace(DNNL_ARG_DIFF_BIAS, memory_at(c.bias, bias.data));
  execute(c.primitive, std::move(arguments), c.scratchpad);
  if (!is_direct) reorder_to(memory_at(c.weight, weight.data), packed_gradient);
  settle(weight, call.weight);
  if (bias.data != nullptr) settle(bias, call.bias);
}

}  // namespace

bool conv(const ConvCall& call) {
  const ConvShape s = shape_of(call);
  if (!is_for_onednn(call, s)) return false;
  static thread_local PrimitiveCache<Key, Convolution> cache;
  const auto [c, number] = cache.made(key_of(call, s), [&] { return make(call, s); });
  if (c == nullptr) return false;
  switch (call.pass) {
    case ConvPass::value:
      value(call, *c, number);
      break;
    case ConvPass::data:
      data_gradient(call, *c, number);
      break;
    case ConvPass::weight:
      weight_gradient(call, *c);
  }
  return true;
}

}  // namespace lockstep::kernels::cpu::onednn
