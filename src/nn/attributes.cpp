#include "src/nn/attributes.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "lockstep/base/error.h"

namespace lockstep::nn {

Attributes of_dtype(const Tensor& weight, Attributes attributes) {
  if (weight.dtype() != DType::f32) attributes["dtype"] = std::string(name_of(weight.dtype()));
  return attributes;
}

Attributes with_padding(const Padding& padding, Attributes attributes) {
  const auto before = sizes_of(padding.before), after = sizes_of(padding.after);
  attributes["padding"] = before;
  if (after != before) attributes["padding_after"] = after;
  return attributes;
}

void AttributeReader::refuse(const std::string& name, const std::string& what) const {
  throw UsageError({fmt::format("Graph: node \"{}\" ({}): attribute \"{}\" {}", node_.name,
                                node_.layer.kind, name, what),
                    "docs/importing.md lists the attributes of each kind"});
}

const Attribute* AttributeReader::find(const std::string& name) {
  asked_.insert(name);
  const auto found = node_.layer.attributes.find(name);
  return found == node_.layer.attributes.end() ? nullptr : &found->second;
}

template <class T> const T& AttributeReader::required(const std::string& name, const char* kind) {
  const Attribute* found = find(name);
  if (found == nullptr) refuse(name, "is missing");
  const T* value = std::get_if<T>(found);
  if (value == nullptr) refuse(name, std::string("is not ") + kind);
  return *value;
}

bool AttributeReader::boolean(const std::string& name, bool fallback) {
  return find(name) == nullptr ? fallback : required<bool>(name, "true or false");
}

std::int64_t AttributeReader::integer(const std::string& name) {
  return required<std::int64_t>(name, "a whole number");
}

std::int64_t AttributeReader::integer(const std::string& name, std::int64_t fallback) {
  return find(name) == nullptr ? fallback : integer(name);
}

int AttributeReader::whole(const std::string& name, int fallback) {
  const std::int64_t value = integer(name, fallback);
  if (value < 1 || value > std::numeric_limits<int>::max()) refuse(name, "is not at least 1");
  return static_cast<int>(value);
}

double AttributeReader::number(const std::string& name) {
  const Attribute* found = find(name);
  if (found != nullptr && std::holds_alternative<std::int64_t>(*found)) {
    return static_cast<double>(std::get<std::int64_t>(*found));
  }
  return required<double>(name, "a number");
}

double AttributeReader::number(const std::string& name, double fallback) {
  return find(name) == nullptr ? fallback : number(name);
}

std::vector<std::int64_t> AttributeReader::sizes(const std::string& name) {
  return required<std::vector<std::int64_t>>(name, "a list of whole numbers");
}

Extent AttributeReader::extent(const std::string& name, std::int64_t least) {
  const std::vector<std::int64_t> both = sizes(name);
  const bool is_valid =
      both.size() == 2 && std::all_of(both.begin(), both.end(), [&](std::int64_t size) {
        return least <= size && size <= std::numeric_limits<int>::max();
      });
  if (!is_valid) refuse(name, fmt::format("is not a height and a width of at least {}", least));
  return {static_cast<int>(both[0]), static_cast<int>(both[1])};
}

Extent AttributeReader::extent(const std::string& name, std::int64_t least, Extent fallback) {
  return find(name) == nullptr ? fallback : extent(name, least);
}

Padding AttributeReader::padding(int least_after) {
  const Extent before = extent("padding", 0, 0);
  return {before, extent("padding_after", least_after, before)};
}

DType AttributeReader::dtype() {
  if (find("dtype") == nullptr) return DType::f32;
  const auto& name = required<std::string>("dtype", "a text");
  const auto* const found =
      std::find_if(std::begin(all_dtypes), std::end(all_dtypes),
                   [&](DType dtype) { return is_floating(dtype) && name_of(dtype) == name; });
  if (found == std::end(all_dtypes)) refuse("dtype", "is not f64, f32, f16 or bf16");
  return *found;
}

void AttributeReader::finish() const {
  for (const auto& [name, value] : node_.layer.attributes) {
    if (!asked_.contains(name)) refuse(name, "is unknown to this kind");
  }
}

}  // namespace lockstep::nn
