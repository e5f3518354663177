// Attributes of layers: made from what a layer is, and taken apart with suspicion.
#pragma once

#include <cstdint>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "lockstep/ops/conv.h"
#include "lockstep/tensor/graph_spec.h"
#include "lockstep/tensor/tensor.h"

namespace lockstep::nn {

// `attributes` and the dtype of `weight`, where it is not the usual f32.
Attributes of_dtype(const Tensor& weight, Attributes attributes);

// With "padding", and "padding_after" where it differs.
Attributes with_padding(const Padding& padding, Attributes attributes);

inline std::vector<std::int64_t> sizes_of(Extent extent) { return {extent.height, extent.width}; }

// Reads a node's attributes; UsageError names the node and the attribute that is missing, of
// another type, out of range or unknown to its kind.
class AttributeReader {
 public:
  explicit AttributeReader(const GraphNode& node) : node_(node) {}

  bool boolean(const std::string& name, bool fallback);
  std::int64_t integer(const std::string& name);
  std::int64_t integer(const std::string& name, std::int64_t fallback);
  // In the range of an int, from 1 on.
  int whole(const std::string& name, int fallback);
  double number(const std::string& name);
  double number(const std::string& name, double fallback);
  std::vector<std::int64_t> sizes(const std::string& name);
  // Two sizes in [least, largest int].
  Extent extent(const std::string& name, std::int64_t least);
  Extent extent(const std::string& name, std::int64_t least, Extent fallback);
  // "padding" and "padding_after", the latter at least `least_after`; none, and the same after as
  // before, where they are missing.
  Padding padding(int least_after = 0);
  DType dtype();
  // UsageError for an attribute that was not asked for.
  void finish() const;

 private:
  const Attribute* find(const std::string& name);
  template <class T> const T& required(const std::string& name, const char* kind);
  [[noreturn]] void refuse(const std::string& name, const std::string& what) const;

  const GraphNode& node_;
  std::set<std::string> asked_;
};

}  // namespace lockstep::nn
