#include "lockstep/kernels/recorder.h"

#include <algorithm>
#include <cstring>
#include <unordered_map>

#include "lockstep/base/error.h"
#include "lockstep/kernels/registry.h"
#include "src/kernels/call_views.h"
#include "src/kernels/memory_plan.h"
#include "src/kernels/recording.h"

namespace lockstep::kernels {
namespace {

thread_local Recorder* current = nullptr;

[[noreturn]] void refuse(const std::string& call, const char* because) {
  throw UsageError({"capture: " + call + " cannot be replayed: " + because,
                    "move it out of the function that is captured, or do without capture"});
}

// What a kernel reads of an input, from its first byte to its last.
std::size_t extent(const View& view) {
  if (view.elements() == 0) return 0;
  std::int64_t last = 0;
  for (int axis = 0; axis < view.rank(); ++axis) {
    last += (view.sizes[axis] - 1) * view.strides[axis];
  }
  return static_cast<std::size_t>(last + 1) * size_of(view.dtype);
}

template <class Call, void (Backend::*family)(const Call&, core::Stream&)>
void run_call(const Replay& replay, const Step& step) {
  (replay.backend.*family)(replay.recording.at<Call>(step.position), replay.stream);
}

// A call that has a weight's version, which is that of now.
template <class Call, void (Backend::*family)(const Call&, core::Stream&)>
void run_weighted(const Replay& replay, const Step& step) {
  Call& call = replay.recording.at<Call>(step.position);
  call.weight_version = step.weight->version();
  (replay.backend.*family)(call, replay.stream);
}

void run_action(const Replay& replay, const Step& step) {
  replay.recording.actions[step.extra](replay.recording.at<View>(step.position));
}

void run_mutation(const Replay& replay, const Step& step) {
  replay.recording.slots[step.extra].storage->mark_mutated();
}

}  // namespace

struct Recorder::State {
  std::unique_ptr<Recording::State> recording = std::make_unique<Recording::State>();
  std::unique_ptr<Backend> backend;
  std::unordered_map<const core::Storage*, std::size_t> slots;
  core::RngKey start = core::current_key();

  std::size_t slot_of(const Shared<core::Storage>& storage) {
    auto& all = recording->slots;
    const auto [place, is_new] = slots.try_emplace(storage.get(), all.size());
    if (is_new) all.push_back({storage, storage->data(), storage->bytes()});
    return place->second;
  }

  // The number of the slot that an address lies in, or as many as there are.
  std::size_t find(const void* address) const {
    const auto& all = recording->slots;
    const auto found =
        std::find_if(all.begin(), all.end(), [&](const Slot& slot) { return slot.holds(address); });
    return static_cast<std::size_t>(found - all.begin());
  }

  template <class T> std::size_t append(const T& value) {
    static_assert(std::is_trivially_copyable_v<T> && alignof(T) <= alignof(double));
    auto& bytes = recording->bytes;
    const std::size_t position = bytes.size();
    bytes.resize(position + (sizeof(T) + 7) / 8 * 8);
    std::memcpy(bytes.data() + position, &value, sizeof(T));
    return position;
  }

  // Notes where `view`, at `position`, points to. False where that is no tensor's memory.
  bool add_operand(const View& view, std::size_t position) {
    if (view.data == nullptr || view.elements() == 0) return true;
    const std::size_t number = find(view.data);
    if (number == recording->slots.size()) return false;
    Slot& slot = recording->slots[number];
    slot.last = recording->calls;
    if (slot.first < 0) slot.first = slot.last;
    recording->operands.push_back(
        {position, number, static_cast<std::byte*>(view.data) - slot.base});
    return true;
  }

  // Appends a call; `unknown()` is asked about memory that is no tensor's.
  template <class Call, class Unknown> std::size_t add_call(Call call, const Unknown& unknown) {
    const std::size_t position = append(call);
    each_view(call, [&](View& view) {
      const auto within = static_cast<std::size_t>(reinterpret_cast<std::byte*>(&view.data) -
                                                   reinterpret_cast<std::byte*>(&call));
      if (!add_operand(view, position + within)) unknown();
    });
    ++recording->calls;
    return position;
  }

  void plan_memory();
  void sort_operands();
  void resolve_pointers();
};

// Runs each call, and notes it.
class Recorder::RecordingBackend final : public Backend {
 public:
  RecordingBackend(Backend& real, Recorder::State& state) : real_(real), state_(state) {}

  bool multiplies(DType dtype) const override { return real_.multiplies(dtype); }
  void pointwise(const PointwiseCall& call, core::Stream& s) override {
    add<PointwiseCall, &Backend::pointwise>("a pointwise call", call, s);
  }
  void rows(const RowsCall& call, core::Stream& s) override {
    add<RowsCall, &Backend::rows>("a row call", call, s);
  }
  void reduce(const ReduceCall& call, core::Stream& s) override {
    add<ReduceCall, &Backend::reduce>("a reduction", call, s);
  }
  void gemm(const GemmCall& call, core::Stream& s) override {
    add<GemmCall, &Backend::gemm>("a matrix product", call, s);
    if (call.weight_key != 0) carry_version<GemmCall, &Backend::gemm>(call.b);
  }
  void conv(const ConvCall& call, core::Stream& s) override {
    add<ConvCall, &Backend::conv>("a convolution", call, s);
    if (call.weight_key != 0) carry_version<ConvCall, &Backend::conv>(call.weight);
  }
  void pool(const PoolCall& call, core::Stream& s) override {
    add<PoolCall, &Backend::pool>("a pooling", call, s);
  }
  void batch_norm(const BatchNormCall& call, core::Stream& s) override {
    add<BatchNormCall, &Backend::batch_norm>("a batch normalisation", call, s);
  }
  void copy(const CopyCall& call, core::Stream& s) override {
    add<CopyCall, &Backend::copy>("a copy", call, s);
  }
  void gather(const GatherCall& call, core::Stream& s) override {
    add<GatherCall, &Backend::gather>("a gather", call, s);
  }
  void scatter_add(const GatherCall& call, core::Stream& s) override {
    add<GatherCall, &Backend::scatter_add>("a scatter", call, s);
  }
  void pick(const PickCall& call, core::Stream& s) override {
    add<PickCall, &Backend::pick>("a pick", call, s);
  }
  void random(const RandomCall& call, core::Stream& s) override {
    const core::RngKey& from = state_.start;
    const core::RngKey& key = *call.key;
    if (key.seed != from.seed || key.step != from.step || key.shard != from.shard) {
      refuse("a random call", "its key is of a RandomScope of its own");
    }
    add<RandomCall, &Backend::random>("a random call", call, s);
    state_.recording->key_pointers.emplace_back(
        state_.recording->steps.back().position + offsetof(RandomCall, key),
        key.ordinal - from.ordinal);
  }
  void update(const UpdateCall&, core::Stream&) override {
    refuse("an optimizer's step", "it counts on the host");
  }
  void fold(const FoldCall&, core::Stream&) override {
    refuse("a fold", "its operands are the communicator's");
  }

 private:
  static constexpr const char* no_tensor = "it uses memory that belongs to no tensor";

  template <class Call, void (Backend::*family)(const Call&, core::Stream&)>
  void add(const char* name, const Call& call, core::Stream& s) {
    (real_.*family)(call, s);
    const std::size_t position = state_.add_call(call, [&] { refuse(name, no_tensor); });
    state_.recording->steps.push_back({&run_call<Call, family>, position});
  }

  template <class Call, void (Backend::*family)(const Call&, core::Stream&)>
  void carry_version(const View& weight) {
    const std::size_t slot = state_.find(weight.data);
    if (slot == state_.recording->slots.size()) return;
    Step& step = state_.recording->steps.back();
    step.weight = state_.recording->slots[slot].storage.get();
    if (step.weight != nullptr) step.run = &run_weighted<Call, family>;
  }

  Backend& real_;
  Recorder::State& state_;
};

Recorder::Recorder(std::span<const View> inputs) : state_(std::make_unique<State>()) {
  check_unrecorded("a captured function", "another is being captured");
  Recording::State& recording = *state_->recording;
  recording.inputs.assign(inputs.begin(), inputs.end());
  for (const View& input : inputs) {
    recording.slots.push_back({{}, static_cast<std::byte*>(input.data), extent(input)});
  }
  current = this;
  recorders.fetch_add(1, std::memory_order_relaxed);
}

Recorder::~Recorder() {
  if (current == this) current = nullptr;
  recorders.fetch_sub(1, std::memory_order_relaxed);
}

Backend& Recorder::backend_over(Backend& real) {
  if (!state_->backend) state_->backend = std::make_unique<RecordingBackend>(real, *state_);
  return *state_->backend;
}

void Recorder::note(const Shared<core::Storage>& storage) { state_->slot_of(storage); }

void Recorder::note_mutation(const Shared<core::Storage>& storage) {
  state_->recording->steps.push_back({&run_mutation, 0, state_->slot_of(storage)});
}

void Recorder::keep(const Shared<core::Storage>& storage) {
  state_->recording->slots[state_->slot_of(storage)].is_kept = true;
}

void Recorder::repeat(std::function<void()> action) {
  repeat(View{}, [action = std::move(action)](const View&) { action(); });
}

void Recorder::repeat(const View& operand, std::function<void(const View&)> action) {
  Recording::State& recording = *state_->recording;
  const std::size_t position = state_->append(operand);
  if (!state_->add_operand(operand, position + offsetof(View, data))) {
    refuse("a check", "it reads memory that belongs to no tensor");
  }
  recording.steps.push_back({&run_action, position, recording.actions.size()});
  recording.actions.push_back(std::move(action));
}

void Recorder::require(const void* subject, std::function<bool()> condition) {
  auto& conditions = state_->recording->conditions;
  const bool is_known = std::any_of(conditions.begin(), conditions.end(),
                                    [&](const auto& each) { return each.first == subject; });
  if (!is_known) conditions.emplace_back(subject, std::move(condition));
}

// Memory that nobody else holds can only be reached by the recorded calls.
void Recorder::State::plan_memory() {
  std::vector<Lifetime> lifetimes;
  std::vector<std::size_t> planned_slots;
  auto& all = recording->slots;
  for (std::size_t i = 0; i < all.size(); ++i) {
    Slot& slot = all[i];
    if (!slot.storage || slot.is_kept || slot.storage->references() > 1) continue;
    planned_slots.push_back(i);
    lifetimes.push_back({slot.first < 0 ? 0 : slot.bytes, slot.first, slot.last});
  }
  const MemoryPlan plan = planned(lifetimes);
  recording->block = core::allocator({}).allocate(plan.bytes);
  auto* const begin = static_cast<std::byte*>(recording->block->data());
  std::erase_if(recording->steps, [&](const Step& step) {
    return step.run == &run_mutation && all[step.extra].storage->references() == 1 &&
           !all[step.extra].is_kept;
  });
  for (std::size_t i = 0; i < planned_slots.size(); ++i) {
    all[planned_slots[i]].storage = {};
    recording->point(planned_slots[i], begin + plan.offsets[i]);
  }
}

void Recorder::State::sort_operands() {
  auto& operands = recording->operands;
  std::stable_sort(operands.begin(), operands.end(),
                   [](const Operand& a, const Operand& b) { return a.slot < b.slot; });
  recording->first_operand.assign(recording->slots.size() + 1, 0);
  for (const Operand& each : operands) ++recording->first_operand[each.slot + 1];
  for (std::size_t i = 1; i < recording->first_operand.size(); ++i) {
    recording->first_operand[i] += recording->first_operand[i - 1];
  }
}

void Recorder::State::resolve_pointers() {
  recording->keys.resize(recording->key_pointers.size());
  for (std::size_t i = 0; i < recording->keys.size(); ++i) {
    recording->at<const void*>(recording->key_pointers[i].first) = &recording->keys[i];
  }
}

std::unique_ptr<Recording> Recorder::finish() {
  current = nullptr;
  state_->recording->ordinals = core::current_key().ordinal - state_->start.ordinal;
  state_->sort_operands();
  state_->resolve_pointers();
  state_->plan_memory();
  return std::make_unique<Recording>(std::move(state_->recording));
}

Unrecorded::Unrecorded() : paused_(std::exchange(current, nullptr)) {}

Unrecorded::~Unrecorded() { current = paused_; }

Recorder* recorder_of_thread() { return current; }

void check_unrecorded(const std::string& call, const char* because) {
  if (recorder() != nullptr) refuse(call, because);
}

}  // namespace lockstep::kernels
