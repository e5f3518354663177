#include "lockstep/optim/arena.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <unordered_set>

#include "lockstep/autograd/parameter.h"
#include "lockstep/autograd/shadow.h"
#include "lockstep/base/error.h"
#include "lockstep/tensor/views.h"

namespace lockstep::optim {

namespace {

std::int64_t padded_count(std::int64_t count, DType dtype) {
  const auto step = static_cast<std::int64_t>(core::alignment / size_of(dtype));
  return (count + step - 1) / step * step;
}

Tensor tensor_on(const core::Memory& memory, std::int64_t offset, const Shape& shape, DType dtype) {
  const std::size_t size = size_of(dtype);
  auto storage =
      make_shared_object<core::Storage>(memory, static_cast<std::size_t>(offset) * size,
                                        static_cast<std::size_t>(shape.elements()) * size);
  return Tensor(std::move(storage), 0, shape, contiguous_strides(shape), dtype);
}

bool has_memory_of_its_own(const Tensor& x) {
  return x.is_contiguous() && x.offset() == 0 &&
         x.storage()->bytes() == static_cast<std::size_t>(x.elements()) * size_of(x.dtype());
}

void check_kind(const std::string& name, const Tensor& parameter, const Tensor& first) {
  const DType dtype = parameter.dtype();
  const bool is_trainable = dtype == DType::f32 || dtype == DType::f64;
  check<DTypeError>(is_trainable && dtype == first.dtype(), [&] {
    const char* taken = first.dtype() == DType::f64 ? "f64" : "f32 or f64";
    return Complaint{fmt::format("optimizer: parameter {} is {}, and updates take {}", name,
                                 name_of(dtype), taken),
                     "keep parameters in f32 or f64; cast activations instead"};
  });
  check<DeviceError>(parameter.device() == first.device(), [&] {
    return Complaint{fmt::format("optimizer: parameter {} is on {}, the arena on {}", name,
                                 name_of(parameter.device()), name_of(first.device())),
                     "make one arena for each device"};
  });
}

void check_entries(const std::vector<ArenaEntry>& entries) {
  std::unordered_set<const core::Storage*> seen;
  for (const ArenaEntry& entry : entries) {
    const Tensor& parameter = entry.parameter;
    const std::string& name = entry.segment.name;
    check_kind(name, parameter, entries.front().parameter);
    check<UsageError>(seen.insert(parameter.storage().get()).second, [&] {
      return Complaint{
          fmt::format("optimizer: parameter {} shares its memory with another one", name),
          "give each parameter once: Module::parameters() names shared ones once"};
    });
    check<UsageError>(has_memory_of_its_own(parameter), [&] {
      return Complaint{fmt::format("optimizer: parameter {} {} is a view of a larger tensor", name,
                                   to_string(parameter.shape())),
                       "make it a tensor of its own with clone()"};
    });
  }
}

void check_order(std::span<const int> order, std::size_t segments) {
  std::vector<bool> seen(segments, false);
  const bool is_permutation =
      order.size() == segments && std::all_of(order.begin(), order.end(), [&](int segment) {
        const auto position = static_cast<std::size_t>(segment);
        if (segment < 0 || position >= segments || seen[position]) return false;
        seen[position] = true;
        return true;
      });
  check<UsageError>(is_permutation, [&] {
    return Complaint{
        fmt::format("arena: an order of {} numbers is no permutation of its {} segments",
                    order.size(), segments),
        "name each segment from 0 on exactly once"};
  });
}

}  // namespace

core::Range Segment::padded(DType dtype) const {
  return {offset, offset + padded_count(count, dtype)};
}

Arena::Arena(std::vector<ArenaEntry> entries, int states) {
  check<UsageError>(!entries.empty(), [] {
    return Complaint{"arena: no parameters", "give it at least one"};
  });
  check_entries(entries);
  dtype_ = entries.front().parameter.dtype();
  device_ = entries.front().parameter.device();
  for (auto& [segment, parameter] : entries) {
    segment.count = parameter.elements();
    count_ += padded_count(segment.count, dtype_);
    segments_.push_back(std::move(segment));
    parameters_.push_back(std::move(parameter));
  }
  layout_.resize(segments_.size());
  std::iota(layout_.begin(), layout_.end(), 0);
  lay_out(std::vector<int>(layout_));

  for (int i = 0; i < 2 + states; ++i) lanes_.push_back(new_lane());
  states_.resize(static_cast<std::size_t>(states));
  for (std::size_t i = 0; i < segments_.size(); ++i) {
    const Shape& shape = parameters_[i].shape();
    copy_elements(parameters_[i].detach(),
                  tensor_on(lanes_[0], segments_[i].offset, shape, dtype_));
    gradients_.push_back(tensor_on(lanes_[1], segments_[i].offset, shape, dtype_));
    for (int k = 0; k < states; ++k) {
      const auto lane = static_cast<std::size_t>(k);
      states_[lane].push_back(tensor_on(lanes_[2 + lane], segments_[i].offset, shape, dtype_));
    }
  }
  point_handles_at_lanes();
  gather_gradients();
  gather_shadows();
}

void Arena::check_range(core::Range range) const {
  check<UsageError>(0 <= range.begin && range.begin <= range.end && range.end <= count_, [&] {
    return Complaint{fmt::format("arena: elements [{}, {}) of {}", range.begin, range.end, count_),
                     "stay within [0, count())"};
  });
}

core::Buffer Arena::lane(int index, core::Range range) const {
  check_range(range);
  const core::Memory& memory = lanes_[static_cast<std::size_t>(index)];
  auto* first = static_cast<std::byte*>(memory->data()) +
                range.begin * static_cast<std::int64_t>(size_of(dtype_));
  return {first, range.count(), dtype_, device_, memory};
}

core::Memory Arena::new_lane() const {
  core::Memory memory = core::allocator(device_).allocate(bytes());
  fill_elements(tensor_on(memory, 0, {count_}, dtype_), 0);
  return memory;
}

std::vector<std::int64_t> Arena::lay_out(std::span<const int> order) {
  check_order(order, segments_.size());
  std::vector<std::int64_t> old_offsets;
  for (const Segment& segment : segments_) old_offsets.push_back(segment.offset);
  layout_.assign(order.begin(), order.end());
  std::int64_t offset = 0;
  for (const int segment : layout_) {
    Segment& placed = segments_[static_cast<std::size_t>(segment)];
    placed.offset = offset;
    offset += padded_count(placed.count, dtype_);
  }
  return old_offsets;
}

void Arena::check_lane(const core::Memory& memory) const {
  check<UsageError>(memory && memory->bytes() >= bytes() && memory->device() == device_, [&] {
    return Complaint{
        fmt::format("arena: {} bytes are too few for {} {} on {}", memory ? memory->bytes() : 0,
                    count_, name_of(dtype_), name_of(device_)),
        fmt::format("give blocks of {} bytes of that device", bytes())};
  });
}

void Arena::relocate(core::Memory parameters, core::Memory gradients, std::span<const int> order) {
  check_lane(parameters);
  check_lane(gradients);
  const auto old_offsets = lay_out(order.empty() ? std::vector<int>(layout_)
                                                 : std::vector<int>(order.begin(), order.end()));
  move_lane(0, std::move(parameters), old_offsets);
  move_lane(1, std::move(gradients), old_offsets);
  for (int i = 0; i < states() && !order.empty(); ++i) move_lane(2 + i, new_lane(), old_offsets);
  point_handles_at_lanes();
}

void Arena::reorder(std::span<const int> order) {
  const auto old_offsets = lay_out(order);
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    core::Memory place = std::move(lanes_[i]);
    lanes_[i] = core::allocator(device_).allocate(bytes());
    copy_elements(tensor_on(place, 0, {count_}, dtype_), tensor_on(lanes_[i], 0, {count_}, dtype_));
    move_lane(static_cast<int>(i), std::move(place), old_offsets);
  }
  point_handles_at_lanes();
}

core::Memory Arena::exchange_gradient_lane(core::Memory lane) {
  check_lane(lane);
  std::swap(lanes_[1], lane);
  point_gradients_at_lane();
  return lane;
}

void Arena::move_lane(int index, core::Memory to, const std::vector<std::int64_t>& old_offsets) {
  core::Memory& lane = lanes_[static_cast<std::size_t>(index)];
  fill_elements(tensor_on(to, 0, {count_}, dtype_), 0);
  for (std::size_t i = 0; i < segments_.size(); ++i) {
    const Shape flat = {segments_[i].count};
    copy_elements(tensor_on(lane, old_offsets[i], flat, dtype_),
                  tensor_on(to, segments_[i].offset, flat, dtype_));
  }
  lane = std::move(to);
}

void Arena::point_handles_at_lanes() {
  for (std::size_t i = 0; i < segments_.size(); ++i) {
    const std::size_t offset = static_cast<std::size_t>(segments_[i].offset) * size_of(dtype_);
    parameters_[i].storage()->relocate(lanes_[0], offset);
    for (std::size_t k = 0; k < states_.size(); ++k)
      states_[k][i].storage()->relocate(lanes_[2 + k], offset);
  }
  point_gradients_at_lane();
  for (int i = 0; shadows_ && i < static_cast<int>(segments_.size()); ++i) {
    if (has_shadow_in_lane(i)) move_shadow_to_lane(i);
  }
}

void Arena::point_gradients_at_lane() {
  for (std::size_t i = 0; i < segments_.size(); ++i) {
    const std::size_t offset = static_cast<std::size_t>(segments_[i].offset) * size_of(dtype_);
    gradients_[i].storage()->relocate(lanes_[1], offset);
  }
}

core::Buffer Arena::shadows(core::Range range) const {
  check_range(range);
  if (!shadows_) return {nullptr, 0, shadow_dtype_, device_, {}};
  auto* first = static_cast<std::byte*>(shadows_->data()) +
                range.begin * static_cast<std::int64_t>(size_of(shadow_dtype_));
  return {first, range.count(), shadow_dtype_, device_, shadows_};
}

bool Arena::has_shadow_in_lane(int segment) const {
  const Shared<Shadow>& shadow = parameter(segment).shadow();
  return shadow && shadows_ && shadow->storage->memory().get() == shadows_.get();
}

void Arena::gather_shadows() {
  const auto has_shadow = [](const Tensor& parameter) {
    return static_cast<bool>(parameter.shadow());
  };
  const auto first = std::find_if(parameters_.begin(), parameters_.end(), has_shadow);
  if (first == parameters_.end()) {
    shadows_ = {};
    return;
  }
  if (const DType dtype = first->shadow()->dtype; !shadows_ || dtype != shadow_dtype_) {
    shadow_dtype_ = dtype;
    shadows_ = core::allocator(device_).allocate(static_cast<std::size_t>(count_) * size_of(dtype));
  }
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const int segment = static_cast<int>(i);
    if (has_shadow(parameters_[i]) && !has_shadow_in_lane(segment)) move_shadow_to_lane(segment);
  }
}

void Arena::move_shadow_to_lane(int segment) {
  const Tensor& parameter = parameters_[static_cast<std::size_t>(segment)];
  if (parameter.shadow()->dtype != shadow_dtype_) return;
  const std::int64_t offset = segments_[static_cast<std::size_t>(segment)].offset;
  move_shadow(parameter, shadows_, static_cast<std::size_t>(offset) * size_of(shadow_dtype_));
}

void Arena::gather_gradients() {
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const Tensor& leaf = parameters_[i];
    if (!is_leaf(leaf)) continue;
    const Tensor elsewhere = gradient(leaf);
    if (elsewhere.is_defined() && elsewhere.storage() == gradients_[i].storage()) continue;
    if (elsewhere.is_defined() && has_gradient(leaf)) copy_elements(elsewhere, gradients_[i]);
    place_gradient(leaf, gradients_[i]);
  }
}

}  // namespace lockstep::optim
