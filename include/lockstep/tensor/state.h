// Named tensors in a fixed order: what modules and optimizers save and load.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "lockstep/tensor/tensor.h"

namespace lockstep {

using State = std::vector<std::pair<std::string, Tensor>>;

// Copies each element of `from` into the tensor of `into` with the same name, shape and dtype.
// UsageError names the first missing, extra or misshapen one and copies nothing then.
void load_state(const State& into, const State& from);

// A 64-bit hash of all names, shapes, dtypes and elements: equal states have equal fingerprints,
// bit for bit.
std::uint64_t fingerprint(const State& state);

}  // namespace lockstep
