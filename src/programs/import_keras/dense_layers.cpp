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

}  // namespace

Translators dense_layers() {
  return {
      {"Dense", dense},
  };
}

}  // namespace lockstep::programs
