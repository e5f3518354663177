#include "src/programs/import_keras/layers.h"

namespace lockstep::programs {
namespace {

Value dense(LayerContext& layer) {
  const Value x = layer.input();
  if (x.shape.empty()) layer.refuse_layer("its input has no axis", "flatten or reshape before it");
  const std::int64_t in = layer.known(x.shape.back()), out = layer.integer("units");
  const bool has_bias = layer.flag("use_bias", true);
  layer.weight("kernel", {in, out}, "weight", {1, 0});
  if (has_bias) layer.weight("bias", {out}, "bias", {0});
  Sizes shape = x.shape;
  shape.back() = out;
  return layer.activated(layer.add_holder(
      {"linear", {{"in", in}, {"out", out}, {"bias", has_bias}}}, x, std::move(shape)));
}

Value embedding(LayerContext& layer) {
  if (!layer.input().is_whole) {
    layer.refuse_layer("its input is not of whole numbers", "give the input layer dtype='int32'");
  }
  if (layer.flag("mask_zero", false)) layer.refuse_setting("mask_zero");
  const std::int64_t rows = layer.integer("input_dim"), width = layer.integer("output_dim");
  layer.weight("embeddings", {rows, width}, "weight", {0, 1});
  Sizes shape = layer.input().shape;
  shape.push_back(width);
  return layer.add_holder({"embedding", {{"rows", rows}, {"width", width}}}, layer.input(),
                          std::move(shape));
}

}  // namespace

Translators dense_layers() {
  return {
      {"Dense", dense},
      {"Embedding", embedding},
  };
}

}  // namespace lockstep::programs
