// Packed copies of weights, kept by the parameter's key and version for as long as they are used.
#pragma once

#include <cstdint>
#include <functional>

#include "kernels/cpu/scratch.h"

namespace lockstep::kernels::cpu {

// Which packed form of a weight: one parameter may have several.
enum class Packing : std::uint8_t { gemm, gemm_turned, conv_value, conv_data };

struct PackedKey {
  std::uint64_t weight = 0;  // 0: not kept
  std::uint64_t version = 0;
  const void* data = nullptr;
  Packing packing = Packing::gemm;
};

struct PackedBlock {
  void* data = nullptr;
  bool is_filled = false;  // with this key's version
};

// The calling thread's block for `key`; the caller packs into it unless it is filled. Valid until
// the thread's next call.
PackedBlock packed_block(const PackedKey& key, std::size_t bytes);

template <class T, class Pack>
const T* packed_weights(const PackedKey& key, std::int64_t count, const Pack& pack) {
  const PackedBlock block = packed_block(key, static_cast<std::size_t>(count) * sizeof(T));
  if (!block.is_filled) pack(static_cast<T*>(block.data));
  return static_cast<const T*>(block.data);
}

}  // namespace lockstep::kernels::cpu
