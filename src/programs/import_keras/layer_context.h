// What the translation of one call of one layer reads and writes.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "src/programs/import_keras/translation.h"

namespace lockstep::programs {

using Sizes = std::vector<std::int64_t>;

// A tensor between layers: the name of its node and its sizes behind the batch axis (-1: any).
struct Value {
  std::string name;
  Sizes shape;
  bool is_whole = false;  // numbers of rows, which an embedding alone takes
};

class LayerContext {
 public:
  LayerContext(Translation& into, const KerasLayer& layer, std::size_t call,
               std::vector<Value> inputs)
      : into_(into), layer_(layer), call_(call), inputs_(std::move(inputs)) {}

  const std::string& name() const { return layer_.name; }
  const std::string& kind() const { return layer_.kind; }
  // The only input; IoError unless it has `rank` axes behind the batch axis (-1: any).
  const Value& input(int rank = -1) const;
  const std::vector<Value>& inputs() const { return inputs_; }
  // A size that must be known before any data is there.
  std::int64_t known(std::int64_t size) const;

  bool has(const char* key) const;
  bool flag(const char* key, bool fallback) const;
  double number(const char* key) const;
  std::int64_t integer(const char* key) const;
  std::string text(const char* key, const std::string& fallback) const;
  // One whole number for both, or two.
  Sizes pair(const char* key) const;
  const nlohmann::json& setting(const char* key) const;
  // IoError where an image's channels do not stand last.
  void check_channels_last() const;
  // IoError: this layer's setting has no counterpart.
  [[noreturn]] void refuse_setting(const char* key) const;
  [[noreturn]] void refuse_layer(const std::string& what, const std::string& fix) const;

  // Adds a node called after the layer, the call and `suffix`.
  Value add(const std::string& suffix, LayerSpec spec, const Value& input, Sizes shape);
  Value join(LayerSpec spec, Sizes shape);
  // The same for the node that holds the layer's tensors; later calls share them.
  Value add_holder(LayerSpec spec, const Value& input, Sizes shape, const std::string& suffix = "");
  // In Keras's order; Weight says what is meant. Only the first call counts.
  void weight(const std::string& meaning, Sizes shape, const std::string& tensor, Sizes axes,
              Sizes sizes = {});
  // Kept by Keras without a counterpart.
  void unused_weight(const std::string& meaning) { weight(meaning, {}, "", {}); }
  void constant(const std::string& tensor, std::int64_t elements, double value);
  Value activated(const Value& x);

 private:
  std::string node_name(const std::string& suffix) const;
  Value result(const std::string& suffix, Sizes shape) const;

  Translation& into_;
  const KerasLayer& layer_;
  std::size_t call_;
  std::vector<Value> inputs_;
};

}  // namespace lockstep::programs
