#include "src/programs/import_keras/layers.h"

#include "src/programs/import_keras/window.h"

namespace lockstep::programs {
namespace {

Value conv2d(LayerContext& layer) {
  layer.check_channels_last();
  if (layer.has("groups") && layer.integer("groups") != 1) layer.refuse_setting("groups");
  if (layer.has("dilation_rate") && layer.pair("dilation_rate") != Sizes{1, 1}) {
    layer.refuse_setting("dilation_rate");
  }
  const Sizes kernel = layer.pair("kernel_size"), stride = layer.pair("strides");
  const std::int64_t in = layer.known(layer.input(3).shape[2]), out = layer.integer("filters");
  const bool has_bias = layer.flag("use_bias", true);
  const Windowed window = windowed(layer, kernel, stride);
  layer.weight("kernel", {kernel[0], kernel[1], in, out}, "weight", {3, 0, 1, 2});
  if (has_bias) layer.weight("bias", {out}, "bias", {0});
  return layer.activated(layer.add_holder({"conv2d",
                                           {{"in", in},
                                            {"out", out},
                                            {"kernel", kernel},
                                            {"stride", stride},
                                            {"padding", window.padding()},
                                            {"padding_after", window.padding_after()},
                                            {"bias", has_bias}}},
                                          layer.input(),
                                          {window.rows.size, window.columns.size, out}));
}

}  // namespace

Translators conv_layers() {
  return {
      {"Conv2D", conv2d},
  };
}

}  // namespace lockstep::programs
