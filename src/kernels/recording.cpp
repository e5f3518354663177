#include "src/kernels/recording.h"

#include "lockstep/base/error.h"
#include "lockstep/kernels/registry.h"

namespace lockstep::kernels {
namespace {

bool is_alike(const View& a, const View& b) {
  return a.dtype == b.dtype && a.sizes == b.sizes && a.strides == b.strides;
}

}  // namespace

void Recording::State::point(std::size_t slot, std::byte* base) {
  if (slots[slot].base == base) return;
  slots[slot].base = base;
  for (std::size_t i = first_operand[slot]; i < first_operand[slot + 1]; ++i) {
    at<void*>(operands[i].position) = base + operands[i].offset;
  }
}

Recording::Recording(std::unique_ptr<State> state) : state_(std::move(state)) {}

Recording::~Recording() = default;

bool Recording::fits(std::span<const View> inputs) const {
  if (inputs.size() != state_->inputs.size()) return false;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const View& recorded = state_->inputs[i];
    if (!is_alike(inputs[i], recorded)) return false;
    // The calls know one address for inputs that are the same.
    for (std::size_t j = 0; j < i; ++j) {
      const bool was_same = state_->inputs[j].data == recorded.data;
      if (was_same && inputs[j].data != inputs[i].data) return false;
    }
  }
  for (const auto& [subject, holds] : state_->conditions) {
    if (!holds()) return false;
  }
  return true;
}

void Recording::replay(std::span<const View> inputs) {
  check_unrecorded("a captured function", "it would run only once");
  State& state = *state_;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    state.point(i, static_cast<std::byte*>(inputs[i].data));
  }
  for (std::size_t i = inputs.size(); i < state.slots.size(); ++i) {
    if (state.slots[i].storage) state.point(i, state.slots[i].storage->data());
  }
  core::RngKey key = core::current_key();
  for (std::size_t i = 0; i < state.keys.size(); ++i) {
    state.keys[i] = key;
    state.keys[i].ordinal += state.key_pointers[i].second;
  }
  key.ordinal += state.ordinals;
  const Replay replay{backend({}), core::current_stream({}), state};
  for (const Step& step : state.steps) step.run(replay, step);
  core::restore_key(key);
}

Shared<core::Storage> Recording::renewed(const Shared<core::Storage>& storage) {
  for (Slot& slot : state_->slots) {
    if (!(slot.storage == storage)) continue;
    slot.storage = make_shared_object<core::Storage>(
        core::allocator(storage->memory()->device()).allocate(slot.bytes), std::size_t{0},
        slot.bytes);
    return slot.storage;
  }
  return storage;
}

int Recording::calls() const { return state_->calls; }

}  // namespace lockstep::kernels
