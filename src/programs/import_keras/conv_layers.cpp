#include <algorithm>

#include "src/programs/import_keras/layers.h"
#include "src/programs/import_keras/window.h"

namespace lockstep::programs {
namespace {

// What a layer says about its windows.
struct Kernel {
  Sizes size, stride, dilation;
};

Kernel kernel_of(const LayerContext& layer) {
  layer.check_channels_last();
  const Sizes dilation = layer.has("dilation_rate") ? layer.pair("dilation_rate") : Sizes{1, 1};
  return {layer.pair("kernel_size"), layer.pair("strides"), dilation};
}

// The node of a convolution and the sizes of its result.
struct Convolution {
  LayerSpec spec;
  Sizes shape;
};

Convolution convolution(const LayerContext& layer, std::int64_t out, std::int64_t groups,
                        bool has_bias) {
  const Kernel kernel = kernel_of(layer);
  const std::int64_t in = layer.known(layer.input(3).shape[2]);
  if (groups < 1 || in % groups != 0 || out % groups != 0) layer.refuse_setting("groups");
  const bool is_strided = kernel.stride != Sizes{1, 1};
  const bool is_dilated = kernel.dilation != Sizes{1, 1};
  if (is_strided && is_dilated) layer.refuse_setting("dilation_rate");
  const Windowed window = windowed(layer, kernel.size, kernel.stride, kernel.dilation);
  LayerSpec spec = {"conv2d",
                    {{"in", in},
                     {"out", out},
                     {"kernel", kernel.size},
                     {"stride", kernel.stride},
                     {"padding", window.padding()},
                     {"padding_after", window.padding_after()},
                     {"bias", has_bias}}};
  if (is_dilated) spec.attributes["dilation"] = kernel.dilation;
  if (groups != 1) spec.attributes["groups"] = groups;
  return {std::move(spec), {window.rows.size, window.columns.size, out}};
}

Value conv2d(LayerContext& layer) {
  const std::int64_t groups = layer.has("groups") ? layer.integer("groups") : 1;
  const std::int64_t out = layer.integer("filters");
  const bool has_bias = layer.flag("use_bias", true);
  Convolution made = convolution(layer, out, groups, has_bias);
  const Sizes kernel = layer.pair("kernel_size");
  layer.weight("kernel", {kernel[0], kernel[1], layer.input().shape[2] / groups, out}, "weight",
               {3, 0, 1, 2});
  if (has_bias) layer.weight("bias", {out}, "bias", {0});
  return layer.activated(
      layer.add_holder(std::move(made.spec), layer.input(), std::move(made.shape)));
}

// Keras keeps [height, width, in, multiplier].
Convolution depthwise(LayerContext& layer, const char* meaning, const std::string& tensor,
                      bool has_bias) {
  const std::int64_t in = layer.known(layer.input(3).shape[2]);
  const std::int64_t multiplier = layer.integer("depth_multiplier");
  Convolution made = convolution(layer, in * multiplier, in, has_bias);
  const Sizes kernel = layer.pair("kernel_size");
  layer.weight(meaning, {kernel[0], kernel[1], in, multiplier}, tensor, {2, 3, 0, 1},
               {in * multiplier, kernel[0], kernel[1], 1});
  return made;
}

Value depthwise_conv2d(LayerContext& layer) {
  const bool has_bias = layer.flag("use_bias", true);
  Convolution made = depthwise(layer, "kernel", "weight", has_bias);
  if (has_bias) layer.weight("bias", {made.shape[2]}, "bias", {0});
  return layer.activated(
      layer.add_holder(std::move(made.spec), layer.input(), std::move(made.shape)));
}

// Each channel by itself, then all channels of each pixel.
Value separable_conv2d(LayerContext& layer) {
  const std::int64_t out = layer.integer("filters");
  const bool has_bias = layer.flag("use_bias", true);
  Convolution made = depthwise(layer, "depthwise kernel", "depthwise.weight", false);
  const std::int64_t between = made.shape[2];
  layer.weight("pointwise kernel", {1, 1, between, out}, "weight", {3, 0, 1, 2});
  if (has_bias) layer.weight("bias", {out}, "bias", {0});
  const Value apart =
      layer.add_holder(std::move(made.spec), layer.input(), std::move(made.shape), ".depthwise");
  const LayerSpec together = {
      "conv2d", {{"in", between}, {"out", out}, {"kernel", Sizes{1, 1}}, {"bias", has_bias}}};
  return layer.activated(layer.add_holder(together, apart, {apart.shape[0], apart.shape[1], out}));
}

// What is taken off one axis of the full result, (size - 1) * stride + kernel, before and after;
// negative: zeros are added.
struct Cut {
  std::int64_t before, after, size;
};

Cut cut(const LayerContext& layer, std::int64_t size, std::int64_t kernel, std::int64_t stride,
        bool is_same) {
  if (kernel < 1 || stride < 1) {
    layer.refuse_layer("a kernel or stride of 0", "give sizes of at least 1");
  }
  const std::int64_t all = is_same ? kernel - stride : std::min<std::int64_t>(kernel - stride, 0);
  const std::int64_t before = std::max<std::int64_t>(all / 2, 0);
  return {before, all - before, size < 0 ? -1 : (size - 1) * stride + kernel - all};
}

Value conv2d_transpose(LayerContext& layer) {
  const Kernel kernel = kernel_of(layer);
  if (kernel.dilation != Sizes{1, 1}) layer.refuse_setting("dilation_rate");
  for (const char* key : {"output_padding", "groups"}) {
    if (layer.has(key) && layer.setting(key) != 1) layer.refuse_setting(key);
  }
  const bool is_same = is_padded_same(layer);
  const Value& x = layer.input(3);
  const std::int64_t in = layer.known(x.shape[2]), out = layer.integer("filters");
  const bool has_bias = layer.flag("use_bias", true);
  const Cut rows = cut(layer, x.shape[0], kernel.size[0], kernel.stride[0], is_same);
  const Cut columns = cut(layer, x.shape[1], kernel.size[1], kernel.stride[1], is_same);
  layer.weight("kernel", {kernel.size[0], kernel.size[1], out, in}, "weight", {3, 0, 1, 2});
  if (has_bias) layer.weight("bias", {out}, "bias", {0});
  return layer.activated(layer.add_holder({"conv_transpose2d",
                                           {{"in", in},
                                            {"out", out},
                                            {"kernel", kernel.size},
                                            {"stride", kernel.stride},
                                            {"padding", Sizes{rows.before, columns.before}},
                                            {"padding_after", Sizes{rows.after, columns.after}},
                                            {"bias", has_bias}}},
                                          x, {rows.size, columns.size, out}));
}

}  // namespace

Translators conv_layers() {
  return {
      {"Conv2D", conv2d},
      {"Conv2DTranspose", conv2d_transpose},
      {"DepthwiseConv2D", depthwise_conv2d},
      {"SeparableConv2D", separable_conv2d},
  };
}

}  // namespace lockstep::programs
