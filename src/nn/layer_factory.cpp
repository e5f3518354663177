#include "src/nn/layer_factory.h"

#include <fmt/format.h>

#include <limits>
#include <map>
#include <string_view>
#include <vector>

#include "lockstep/base/config.h"
#include "lockstep/base/error.h"
#include "lockstep/nn/conv.h"
#include "lockstep/nn/dropout.h"
#include "lockstep/nn/embedding.h"
#include "lockstep/nn/image.h"
#include "lockstep/nn/linear.h"
#include "lockstep/nn/norm.h"
#include "lockstep/nn/sequential.h"
#include "src/nn/attributes.h"

namespace lockstep::nn {
namespace {

using Made = std::unique_ptr<Module>;
using Maker = Made (*)(AttributeReader&);

template <class Layer> Made plain(AttributeReader&) { return std::make_unique<Layer>(); }

Made linear_of(AttributeReader& read) {
  return std::make_unique<Linear>(
      read.integer("in"), read.integer("out"),
      LinearOptions{.bias = read.boolean("bias", true), .dtype = read.dtype()});
}

Made conv2d_of(AttributeReader& read) {
  return std::make_unique<Conv2d>(read.integer("in"), read.integer("out"),
                                  nn::Conv2dOptions{.kernel = read.extent("kernel", 1),
                                                    .stride = read.extent("stride", 1, 1),
                                                    .padding = read.padding(),
                                                    .dilation = read.extent("dilation", 1, 1),
                                                    .groups = read.whole("groups", 1),
                                                    .bias = read.boolean("bias", true),
                                                    .dtype = read.dtype()});
}

Made conv_transpose2d_of(AttributeReader& read) {
  return std::make_unique<ConvTranspose2d>(
      read.integer("in"), read.integer("out"),
      nn::ConvTranspose2dOptions{.kernel = read.extent("kernel", 1),
                                 .stride = read.extent("stride", 1, 1),
                                 .padding = read.padding(std::numeric_limits<int>::min()),
                                 .bias = read.boolean("bias", true),
                                 .dtype = read.dtype()});
}

PoolOptions pool_options_of(AttributeReader& read) {
  const Extent window = read.extent("window", 1);
  return {.window = window, .stride = read.extent("stride", 1, window), .padding = read.padding()};
}

Made max_pool2d_of(AttributeReader& read) {
  return std::make_unique<MaxPool2d>(pool_options_of(read));
}

Made avg_pool2d_of(AttributeReader& read) {
  PoolOptions options = pool_options_of(read);
  options.counts_padding = read.boolean("counts_padding", true);
  return std::make_unique<AvgPool2d>(options);
}

Made batch_norm_of(AttributeReader& read) {
  return std::make_unique<BatchNorm>(read.integer("channels"),
                                     nn::BatchNormOptions{.momentum = read.number("momentum", 0.1),
                                                          .epsilon = read.number("epsilon", 1e-5),
                                                          .dtype = read.dtype()});
}

Made layer_norm_of(AttributeReader& read) {
  return std::make_unique<LayerNorm>(
      read.integer("channels"),
      nn::LayerNormOptions{.epsilon = read.number("epsilon", 1e-5), .dtype = read.dtype()});
}

Made standardize_of(AttributeReader& read) {
  return std::make_unique<Standardize>(
      read.integer("channels"),
      StandardizeOptions{.epsilon = read.number("epsilon", 1e-7), .dtype = read.dtype()});
}

Made embedding_of(AttributeReader& read) {
  return std::make_unique<Embedding>(read.integer("rows"), read.integer("width"),
                                     EmbeddingOptions{.dtype = read.dtype()});
}

Made dropout_of(AttributeReader& read) {
  return std::make_unique<Dropout>(read.number("probability"));
}

Made flatten_of(AttributeReader& read) {
  return std::make_unique<Flatten>(static_cast<int>(read.integer("first", 1)));
}

Made reshape_of(AttributeReader& read) { return std::make_unique<Reshape>(read.sizes("shape")); }

Made leaky_relu_of(AttributeReader& read) {
  return std::make_unique<LeakyRelu>(read.number("slope", 0.01));
}

Made elu_of(AttributeReader& read) { return std::make_unique<Elu>(read.number("alpha", 1)); }

Made clamp_of(AttributeReader& read) {
  return std::make_unique<Clamp>(read.number("low"), read.number("high"));
}

Made softmax_of(AttributeReader& read) {
  return std::make_unique<Softmax>(static_cast<int>(read.integer("axis", -1)));
}

Made pad2d_of(AttributeReader& read) {
  const Extent before = read.extent("before", 0), after = read.extent("after", 0);
  return std::make_unique<Pad2d>(Pad2dOptions{before, after, read.number("value", 0)});
}

Made crop2d_of(AttributeReader& read) {
  const Extent before = read.extent("before", 0), after = read.extent("after", 0);
  return std::make_unique<Crop2d>(before, after);
}

Made upsample2d_of(AttributeReader& read) {
  return std::make_unique<Upsample2d>(read.extent("factor", 1));
}

template <class Pool> Made global_pool_of(AttributeReader& read) {
  return std::make_unique<Pool>(read.boolean("keep_dims", false));
}

Made rescale_of(AttributeReader& read) {
  return std::make_unique<Rescale>(read.number("scale", 1), read.number("offset", 0));
}

const std::map<std::string_view, Maker>& makers() {
  static const std::map<std::string_view, Maker> all = {
      {"linear", linear_of},
      {"conv2d", conv2d_of},
      {"conv_transpose2d", conv_transpose2d_of},
      {"max_pool2d", max_pool2d_of},
      {"avg_pool2d", avg_pool2d_of},
      {"global_max_pool2d", global_pool_of<GlobalMaxPool2d>},
      {"global_avg_pool2d", global_pool_of<GlobalAvgPool2d>},
      {"pad2d", pad2d_of},
      {"crop2d", crop2d_of},
      {"upsample2d", upsample2d_of},
      {"batch_norm", batch_norm_of},
      {"layer_norm", layer_norm_of},
      {"standardize", standardize_of},
      {"embedding", embedding_of},
      {"dropout", dropout_of},
      {"flatten", flatten_of},
      {"reshape", reshape_of},
      {"rescale", rescale_of},
      {"softmax", softmax_of},
      {"relu", plain<Relu>},
      {"gelu", plain<Gelu>},
      {"tanh", plain<Tanh>},
      {"sigmoid", plain<Sigmoid>},
      {"silu", plain<Silu>},
      {"exact_gelu", plain<ExactGelu>},
      {"leaky_relu", leaky_relu_of},
      {"elu", elu_of},
      {"clamp", clamp_of},
  };
  return all;
}

}  // namespace

std::unique_ptr<Module> make_layer(const GraphNode& node) {
  const auto maker = makers().find(node.layer.kind);
  check<UsageError>(maker != makers().end(), [&] {
    std::vector<std::string_view> kinds = {"add", "multiply", "concat"};
    for (const auto& [kind, make] : makers()) kinds.push_back(kind);
    const std::string_view near = nearest(node.layer.kind, kinds);
    return Complaint{
        fmt::format("Graph: node \"{}\" is of the unknown kind \"{}\"", node.name, node.layer.kind),
        near.empty() ? "docs/importing.md lists the kinds" : fmt::format("did you mean {}?", near)};
  });
  AttributeReader read(node);
  auto layer = maker->second(read);
  read.finish();
  return layer;
}

bool joins(const LayerSpec& layer) {
  return layer.kind == "add" || layer.kind == "multiply" || layer.kind == "concat";
}

}  // namespace lockstep::nn
