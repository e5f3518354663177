#include "src/programs/import_keras/translation.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <string_view>

#include "src/programs/import_keras/layer_context.h"
#include "src/programs/import_keras/refuse.h"

namespace lockstep::programs {
namespace {

using Sizes = std::vector<std::int64_t>;
using Translate = Value (*)(LayerContext&);

// The result of windows that slide over one axis, and the margins that Keras's "same" adds.
struct Sliding {
  std::int64_t size = 0, before = 0, after = 0;
};

Sliding sliding(const LayerContext& layer, std::int64_t size, std::int64_t window,
                std::int64_t stride, bool is_same) {
  if (window < 1 || stride < 1) {
    layer.refuse_layer("a window or stride of 0", "give sizes of at least 1");
  }
  if (!is_same) {
    if (size < 0) return {-1};
    if (size < window) {
      layer.refuse_layer(fmt::format("a window of {} on {}", window, size), "use a smaller window");
    }
    return {(size - window) / stride + 1};
  }
  std::int64_t margin = window - 1;
  if (stride > 1) {
    const std::int64_t count = (layer.known(size) + stride - 1) / stride;
    margin = std::max<std::int64_t>((count - 1) * stride + window - size, 0);
  }
  const std::int64_t padded = size < 0 ? -1 : (size + margin - window) / stride + 1;
  return {padded, margin / 2, margin - margin / 2};
}

// Both axes of a window over the layer's input, and the input with its margin where that is uneven.
struct Windowed {
  Value input;
  Sizes padding = {0, 0};
  Sliding rows, columns;
};

Windowed windowed(LayerContext& layer, const Sizes& window, const Sizes& stride, double value) {
  const std::string padding = layer.text("padding", "valid");
  if (padding != "valid" && padding != "same") layer.refuse_setting("padding");
  Windowed result{.input = layer.input(3), .rows = {}, .columns = {}};
  const Sizes& shape = result.input.shape;
  const bool is_same = padding == "same";
  Sliding& rows = result.rows = sliding(layer, shape[0], window[0], stride[0], is_same);
  Sliding& columns = result.columns = sliding(layer, shape[1], window[1], stride[1], is_same);
  if (rows.before == rows.after && columns.before == columns.after) {
    result.padding = {rows.before, columns.before};
    return result;
  }
  const Attributes margin = {{"before", Sizes{rows.before, columns.before}},
                             {"after", Sizes{rows.after, columns.after}},
                             {"value", value}};
  result.input = layer.add(".pad", {"pad2d", margin}, result.input, {-1, -1, shape[2]});
  return result;
}

void check_channels_last(const LayerContext& layer) {
  if (layer.text("data_format", "channels_last") != "channels_last") {
    layer.refuse_setting("data_format");
  }
}

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

Value conv2d(LayerContext& layer) {
  check_channels_last(layer);
  if (layer.has("groups") && layer.integer("groups") != 1) layer.refuse_setting("groups");
  if (layer.has("dilation_rate") && layer.pair("dilation_rate") != Sizes{1, 1}) {
    layer.refuse_setting("dilation_rate");
  }
  const Sizes kernel = layer.pair("kernel_size"), stride = layer.pair("strides");
  const std::int64_t in = layer.known(layer.input(3).shape[2]), out = layer.integer("filters");
  const bool has_bias = layer.flag("use_bias", true);
  const Windowed window = windowed(layer, kernel, stride, 0);
  layer.weight("kernel", {kernel[0], kernel[1], in, out}, "weight", {3, 0, 1, 2});
  if (has_bias) layer.weight("bias", {out}, "bias", {0});
  return layer.activated(layer.add_holder({"conv2d",
                                           {{"in", in},
                                            {"out", out},
                                            {"kernel", kernel},
                                            {"stride", stride},
                                            {"padding", window.padding},
                                            {"bias", has_bias}}},
                                          window.input,
                                          {window.rows.size, window.columns.size, out}));
}

Value pool2d(LayerContext& layer, const char* kind, double margin) {
  check_channels_last(layer);
  const Sizes size = layer.pair("pool_size");
  const Sizes stride = layer.has("strides") ? layer.pair("strides") : size;
  const Windowed window = windowed(layer, size, stride, margin);
  const bool is_padded = window.rows.after > 0 || window.columns.after > 0;
  if (is_padded && std::string_view(kind) == "avg_pool2d") layer.refuse_setting("padding");
  return layer.add("", {kind, {{"window", size}, {"stride", stride}, {"padding", window.padding}}},
                   window.input, {window.rows.size, window.columns.size, layer.input().shape[2]});
}

Value max_pool2d(LayerContext& layer) {
  return pool2d(layer, "max_pool2d", -std::numeric_limits<double>::infinity());
}
Value avg_pool2d(LayerContext& layer) { return pool2d(layer, "avg_pool2d", 0); }

Value global_pool2d(LayerContext& layer, const char* kind) {
  check_channels_last(layer);
  const std::int64_t channels = layer.input(3).shape[2];
  const bool keep_dims = layer.flag("keepdims", false);
  return layer.add("", {kind, {{"keep_dims", keep_dims}}}, layer.input(),
                   keep_dims ? Sizes{1, 1, channels} : Sizes{channels});
}

Value global_max_pool2d(LayerContext& layer) { return global_pool2d(layer, "global_max_pool2d"); }
Value global_avg_pool2d(LayerContext& layer) { return global_pool2d(layer, "global_avg_pool2d"); }

Value batch_norm(LayerContext& layer) {
  const Value x = layer.input();
  const auto last = static_cast<std::int64_t>(x.shape.size());
  const nlohmann::json& axis = layer.setting("axis");  // Keras 2 writes a list
  const nlohmann::json& single = axis.is_array() && axis.size() == 1 ? axis[0] : axis;
  if (single != -1 && single != last) layer.refuse_setting("axis");
  if (x.shape.empty()) layer.refuse_setting("axis");
  const std::int64_t channels = layer.known(x.shape.back());
  const auto part = [&](const char* key, const char* meaning, const char* tensor, double value) {
    if (layer.flag(key, true)) {
      layer.weight(meaning, {channels}, tensor, {0});
    } else {
      layer.constant(tensor, channels, value);
    }
  };
  part("scale", "gamma", "weight", 1);
  part("center", "beta", "bias", 0);
  layer.weight("moving_mean", {channels}, "running_mean", {0});
  layer.weight("moving_variance", {channels}, "running_variance", {0});
  return layer.add_holder({"batch_norm",
                           {{"channels", channels},
                            {"momentum", 1 - layer.number("momentum")},
                            {"epsilon", layer.number("epsilon")}}},
                          x, x.shape);
}

Value flatten(LayerContext& layer) {
  check_channels_last(layer);
  std::int64_t product = 1;
  for (const std::int64_t size : layer.input().shape) {
    const bool fits = size <= 0 || product <= std::numeric_limits<std::int32_t>::max() / size;
    if (!fits) layer.refuse_layer("its input is too large", "check the model's sizes");
    product = size < 0 || product < 0 ? -1 : product * size;
  }
  return layer.add("", {"flatten", {{"first", 1}}}, layer.input(), {product});
}

Value reshape(LayerContext& layer) {
  const nlohmann::json& target = layer.setting("target_shape");
  Sizes shape;
  for (const nlohmann::json& size : target) {
    const bool is_size = size.is_number_integer() && size >= -1 && size < (1LL << 31);
    if (!is_size) layer.refuse_setting("target_shape");
    shape.push_back(size.get<std::int64_t>());
  }
  return layer.add("", {"reshape", {{"shape", shape}}}, layer.input(), shape);
}

Value dropout(LayerContext& layer) {
  if (layer.has("noise_shape")) layer.refuse_setting("noise_shape");
  return layer.add("", {"dropout", {{"probability", layer.number("rate")}}}, layer.input(),
                   layer.input().shape);
}

Value activation(LayerContext& layer) { return layer.activated(layer.input()); }

Value relu(LayerContext& layer) {
  if (layer.has("max_value")) layer.refuse_setting("max_value");
  for (const char* key : {"negative_slope", "threshold"}) {
    if (layer.has(key) && layer.number(key) != 0) layer.refuse_setting(key);
  }
  return layer.add("", {"relu"}, layer.input(), layer.input().shape);
}

Value softmax(LayerContext& layer) {
  if (!layer.setting("axis").is_number_integer()) layer.refuse_setting("axis");
  return layer.add("", {"softmax", {{"axis", layer.integer("axis")}}}, layer.input(),
                   layer.input().shape);
}

Value rescaling(LayerContext& layer) {
  return layer.add(
      "", {"rescale", {{"scale", layer.number("scale")}, {"offset", layer.number("offset")}}},
      layer.input(), layer.input().shape);
}

// [[top, bottom], [left, right]] as before and after.
std::pair<Sizes, Sizes> margins(const LayerContext& layer, const char* key) {
  const nlohmann::json& value = layer.setting(key);
  Sizes all;
  for (const nlohmann::json& side : value) {
    for (const nlohmann::json& size : side) {
      const bool is_size = size.is_number_integer() && size >= 0 && size < (1LL << 31);
      if (!is_size) layer.refuse_setting(key);
      all.push_back(size.get<std::int64_t>());
    }
  }
  if (all.size() != 4) layer.refuse_setting(key);
  return {{all[0], all[2]}, {all[1], all[3]}};
}

Sizes moved(const Sizes& shape, const std::pair<Sizes, Sizes>& by, int sign) {
  Sizes result = shape;
  for (std::size_t axis = 0; axis < 2; ++axis) {
    if (result[axis] >= 0) result[axis] += sign * (by.first[axis] + by.second[axis]);
  }
  return result;
}

Value zero_padding2d(LayerContext& layer) {
  check_channels_last(layer);
  const auto by = margins(layer, "padding");
  return layer.add("", {"pad2d", {{"before", by.first}, {"after", by.second}}}, layer.input(3),
                   moved(layer.input(3).shape, by, 1));
}

Value cropping2d(LayerContext& layer) {
  check_channels_last(layer);
  const auto by = margins(layer, "cropping");
  const Sizes shape = moved(layer.input(3).shape, by, -1);
  for (std::size_t axis = 0; axis < 2; ++axis) {
    if (layer.input().shape[axis] >= 0 && shape[axis] < 1) layer.refuse_setting("cropping");
  }
  return layer.add("", {"crop2d", {{"before", by.first}, {"after", by.second}}}, layer.input(3),
                   shape);
}

Value upsampling2d(LayerContext& layer) {
  check_channels_last(layer);
  if (layer.text("interpolation", "nearest") != "nearest") layer.refuse_setting("interpolation");
  const Sizes factor = layer.pair("size");
  Sizes shape = layer.input(3).shape;
  for (std::size_t axis = 0; axis < 2; ++axis) {
    if (shape[axis] >= 0) shape[axis] *= factor[axis];
  }
  return layer.add("", {"upsample2d", {{"factor", factor}}}, layer.input(), shape);
}

Value element_wise(LayerContext& layer, const char* kind) {
  if (layer.inputs().size() < 2) layer.refuse_layer("it has one input", "give it two or more");
  for (const Value& each : layer.inputs()) {
    if (each.shape.size() != layer.inputs()[0].shape.size()) {
      layer.refuse_layer("its inputs differ in their number of axes", "reshape them before it");
    }
  }
  Sizes shape = layer.inputs()[0].shape;
  for (const Value& each : layer.inputs()) {
    for (std::size_t axis = 0; axis < shape.size(); ++axis) {
      if (shape[axis] == 1) shape[axis] = each.shape[axis];
    }
  }
  return layer.join({kind}, shape);
}

Value add(LayerContext& layer) { return element_wise(layer, "add"); }
Value multiply(LayerContext& layer) { return element_wise(layer, "multiply"); }

Value concatenate(LayerContext& layer) {
  if (layer.inputs().empty()) layer.refuse_layer("it has no inputs", "give it two or more");
  Sizes shape = layer.inputs()[0].shape;
  const auto axes = static_cast<std::int64_t>(shape.size()) + 1;
  std::int64_t axis = layer.has("axis") ? layer.integer("axis") : -1;
  if (axis < 0) axis += axes;
  if (axis < 1 || axis >= axes) layer.refuse_setting("axis");
  std::int64_t sum = 0;
  for (const Value& each : layer.inputs()) {
    if (each.shape.size() != shape.size()) layer.refuse_setting("axis");
    const std::int64_t size = each.shape[static_cast<std::size_t>(axis - 1)];
    sum = size < 0 || sum < 0 ? -1 : sum + size;
  }
  shape[static_cast<std::size_t>(axis - 1)] = sum;
  return layer.join({"concat", {{"axis", axis}}}, shape);
}

const std::map<std::string_view, Translate>& layers() {
  static const std::map<std::string_view, Translate> all = {
      {"Activation", activation},
      {"Add", add},
      {"AveragePooling2D", avg_pool2d},
      {"BatchNormalization", batch_norm},
      {"Concatenate", concatenate},
      {"Conv2D", conv2d},
      {"Cropping2D", cropping2d},
      {"Dense", dense},
      {"Dropout", dropout},
      {"Flatten", flatten},
      {"GlobalAveragePooling2D", global_avg_pool2d},
      {"GlobalMaxPooling2D", global_max_pool2d},
      {"MaxPooling2D", max_pool2d},
      {"Multiply", multiply},
      {"ReLU", relu},
      {"Rescaling", rescaling},
      {"Reshape", reshape},
      {"Softmax", softmax},
      {"UpSampling2D", upsampling2d},
      {"ZeroPadding2D", zero_padding2d},
  };
  return all;
}

void check_known(const KerasModel& model) {
  for (const KerasLayer& layer : model.layers) {
    if (layer.kind == "InputLayer" || layers().contains(layer.kind)) continue;
    refuse(fmt::format("layer \"{}\" is a {}, which cannot be imported", shown(layer.name),
                       shown(layer.kind)),
           "replace it; docs/importing.md lists the layers, and code within a file is never run");
  }
}

Value input_of(const KerasLayer& layer, GraphSpec& graph) {
  const char* key = layer.config.contains("batch_shape") ? "batch_shape" : "batch_input_shape";
  const nlohmann::json shape = layer.config.value(key, nlohmann::json());
  Value value{layer.name, {}};
  const bool is_list = shape.is_array() && !shape.empty() && shape.size() <= 6;
  bool is_valid = is_list && layer.config.value("dtype", nlohmann::json("float32")) == "float32";
  for (std::size_t axis = 1; is_valid && axis < shape.size(); ++axis) {
    const nlohmann::json& size = shape[axis];
    is_valid =
        size.is_null() || (size.is_number_integer() && size >= 1 && size < std::int64_t{1} << 31U);
    if (is_valid) value.shape.push_back(size.is_null() ? -1 : size.get<std::int64_t>());
  }
  if (!is_valid) {
    refuse(fmt::format("the input \"{}\" has no shape of at most 5 sizes or is not float32",
                       shown(layer.name)),
           "give the input layer a shape and float32 elements");
  }
  graph.inputs.push_back({layer.name, value.shape});
  return value;
}

}  // namespace

Translation translated(const KerasModel& model) {
  check_known(model);
  Translation result;
  std::map<KerasValue, Value> values;
  for (const KerasValue& each : in_running_order(model)) {
    const KerasLayer& layer = model.layer(each.layer);
    if (layer.kind == "InputLayer") {
      values[each] = input_of(layer, result.graph);
      continue;
    }
    std::vector<Value> inputs;
    for (const KerasValue& input : layer.calls[each.call]) inputs.push_back(values.at(input));
    LayerContext context(result, layer, each.call, std::move(inputs));
    values[each] = layers().at(layer.kind)(context);
  }
  for (const KerasValue& output : model.outputs) {
    const auto value = values.find(output);
    if (value == values.end()) {
      refuse(fmt::format("the output \"{}\" is never computed", shown(output.layer)));
    }
    result.graph.outputs.push_back(value->second.name);
  }
  return result;
}

}  // namespace lockstep::programs
