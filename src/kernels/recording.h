// What a recording consists of.
#pragma once

#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

#include "lockstep/core/random.h"
#include "lockstep/core/stream.h"
#include "lockstep/kernels/recorder.h"

namespace lockstep::kernels {

// Memory that calls use: an input, a storage, or (planned) a part of the recording's own block.
struct Slot {
  Shared<core::Storage> storage;  // none for inputs and planned memory
  std::byte* base = nullptr;      // where the calls think it is
  std::size_t bytes = 0;
  int first = -1, last = -1;  // calls that use it
  bool is_kept = false;       // the host wrote its elements

  bool holds(const void* address) const {
    const auto* byte = static_cast<const std::byte*>(address);
    return base <= byte && byte < base + bytes;
  }
};

// Where a call has a pointer into a slot.
struct Operand {
  std::size_t position;  // of the pointer, in the bytes of all calls
  std::size_t slot;
  std::ptrdiff_t offset;
};

struct Replay {
  Backend& backend;
  core::Stream& stream;
  Recording::State& recording;
};

// One entry of the list. `run` knows the type of what lies at `position`.
struct Step {
  void (*run)(const Replay&, const Step&);
  std::size_t position = 0;
  std::size_t extra = 0;                  // the action's number
  const core::Storage* weight = nullptr;  // whose version the call carries, or which is mutated
};

struct Recording::State {
  std::vector<View> inputs;  // as they were; the first slots are theirs
  std::vector<Slot> slots;
  std::vector<std::byte> bytes;  // of all calls
  std::vector<Step> steps;
  std::vector<Operand> operands;           // in the order of their slots, once finished
  std::vector<std::size_t> first_operand;  // of each slot, and one more
  std::vector<core::RngKey> keys;
  std::vector<std::pair<std::size_t, std::uint32_t>> key_pointers;  // position, ordinal
  std::uint32_t ordinals = 0;                                       // that the calls use up
  std::vector<std::function<void(const View&)>> actions;
  std::vector<std::pair<const void*, std::function<bool()>>> conditions;
  core::Memory block;
  int calls = 0;

  void point(std::size_t slot, std::byte* base);
  template <class T> T& at(std::size_t position) {
    return *reinterpret_cast<T*>(bytes.data() + position);
  }
};

}  // namespace lockstep::kernels
