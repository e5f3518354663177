#include "lockstep/tensor/state.h"

#include <xxhash.h>

#include <map>

#include "lockstep/base/error.h"
#include "lockstep/tensor/views.h"

namespace lockstep {
namespace {

using Index = std::map<std::string, Tensor>;

std::string description(const Tensor& x) {
  return std::string(name_of(x.dtype())) + " " + to_string(x.shape());
}

void check_matches(const std::string& name, const Tensor& into, const Index& from) {
  const auto found = from.find(name);
  check<UsageError>(found != from.end(), [&] {
    return Complaint{"load_state: \"" + name + "\" is missing",
                     "load a state saved from the same model and optimizer"};
  });
  const Tensor& value = found->second;
  check<UsageError>(value.shape() == into.shape() && value.dtype() == into.dtype(), [&] {
    return Complaint{
        "load_state: \"" + name + "\" is " + description(value) + ", not " + description(into),
        "load a state saved from the same model and optimizer"};
  });
}

}  // namespace

std::uint64_t fingerprint(const State& state) {
  std::uint64_t hash = 0;
  for (const auto& [name, tensor] : state) {
    const std::string head = name + " " + description(tensor);
    hash = XXH64(head.data(), head.size(), hash);
    const Tensor elements = tensor.is_contiguous() ? tensor : copied(tensor);
    const auto bytes = static_cast<std::size_t>(elements.elements()) * size_of(elements.dtype());
    hash = XXH64(elements.view().data, bytes, hash);
  }
  return hash;
}

void load_state(const State& into, const State& from) {
  const Index values(from.begin(), from.end());
  const Index places(into.begin(), into.end());
  for (const auto& [name, place] : into) check_matches(name, place, values);
  for (const auto& [name, value] : from) {
    check<UsageError>(places.contains(name), [&] {
      return Complaint{"load_state: \"" + name + "\" has no place here",
                       "load a state saved from the same model and optimizer"};
    });
  }
  for (const auto& [name, place] : into) copy_elements(values.at(name), place);
}

}  // namespace lockstep
