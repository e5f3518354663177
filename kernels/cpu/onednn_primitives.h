// What the oneDNN kernels share: the engine, memory descriptions, packed weights and execution in
// scratch memory. oneDNN 2.x and 3.x make primitives differently; only this file and its users'
// make() functions know.
#pragma once

#include <oneapi/dnnl/dnnl.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <utility>

#include "kernels/cpu/packed_weights.h"
#include "lockstep/kernels/calls.h"

namespace lockstep::kernels::cpu::onednn {

using DataType = dnnl::memory::data_type;

dnnl::engine& engine();

// What oneDNN does next on this thread, it does with the rank's number of threads.
void use_own_threads();

// bf16, or f32: what biases and results may be instead.
DataType type_of(DType dtype);
dnnl::memory::desc desc_of(const Shape& sizes, const Shape& strides, DType dtype);
dnnl::memory memory_at(const dnnl::memory::desc& desc, const void* data);
// Scratch memory is the caller's, so that a steady step allocates nothing.
dnnl::primitive_attr user_scratchpad();

// Runs it on the calling rank's threads.
using Arguments = std::unordered_map<int, dnnl::memory>;
void execute(const dnnl::primitive& primitive, Arguments arguments,
             const dnnl::memory::desc& scratchpad);

// Copies `from` to `to` in its layout.
void reorder_to(const dnnl::memory& to, const dnnl::memory& from);

// `weights`, lying as `plain`, in the layout `wanted`: themselves, a copy kept by key and version,
// or one in scratch memory. `primitive` numbers the layout: versions of one parameter may be packed
// for several shapes.
dnnl::memory packed(const dnnl::memory::desc& plain, const dnnl::memory::desc& wanted,
                    const void* weights, PackedKey key, std::uint64_t primitive);

// Primitives by shape and number of threads, for which they are made; with a number for each.
template <class Key, class Made> class PrimitiveCache {
 public:
  // Null where oneDNN has no primitive for the shape.
  template <class Make> std::pair<const Made*, std::uint64_t> made(const Key& key, Make make) {
    auto found = entries_.find(key);
    if (found == entries_.end()) {
      if (entries_.size() == limit) entries_.clear();
      use_own_threads();
      found = entries_.emplace(key, Entry{made_or_nothing(make), ++count_}).first;
    }
    const Entry& entry = found->second;
    return {entry.made ? &*entry.made : nullptr, entry.number};
  }

 private:
  static constexpr std::size_t limit = 1024;
  struct Entry {
    std::optional<Made> made;
    std::uint64_t number;
  };
  template <class Make> static std::optional<Made> made_or_nothing(const Make& make) {
    try {
      return make();
    } catch (const dnnl::error& error) {
      if (error.status != dnnl_unimplemented) throw;
      return std::nullopt;
    }
  }
  struct Hash {
    std::size_t operator()(const Key& key) const {
      std::size_t hash = 0;
      for (const std::int64_t value : key)
        hash = (hash ^ static_cast<std::size_t>(value)) * 0x100000001b3U;
      return hash;
    }
  };
  std::unordered_map<Key, Entry, Hash> entries_;
  std::uint64_t count_ = 0;
};

// data[i] = activation(data[i]). oneDNN's own ReLU turns NaN into 0.
void activate_bf16(Activation activation, void* data, std::int64_t count);

}  // namespace lockstep::kernels::cpu::onednn
