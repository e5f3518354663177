#include "src/parallel/step_summary.h"

#include <algorithm>

#include "lockstep/kernels/registry.h"
#include "lockstep/tensor/create.h"
#include "lockstep/tensor/views.h"
#include "src/parallel/lanes.h"

namespace lockstep::parallel {
namespace {

// A tensor's elements as f64, one after the other, in host memory.
View lane_view(double* first, const Shape& shape) {
  return {first, DType::f64, shape, contiguous_strides(shape)};
}

void convert(const View& from, const View& to) {
  kernels::backend(Device{}).copy({.in = from, .out = to}, core::current_stream({}));
}

void read(const std::vector<Tensor>& buffers, double* into) {
  for (const Tensor& buffer : buffers) {
    const bool is_here = buffer.device() == Device{};
    const Tensor elements = is_here ? buffer : copied_to(buffer, Device{});
    convert(elements.view(), lane_view(into, buffer.shape()));
    into += buffer.elements();
  }
}

void write(const std::vector<Tensor>& buffers, double* from) {
  for (const Tensor& buffer : buffers) {
    const bool is_here = buffer.device() == Device{};
    const Tensor elements = is_here ? buffer : empty(buffer.shape(), {.dtype = buffer.dtype()});
    convert(lane_view(from, buffer.shape()), elements.view());
    if (!is_here) copy_elements(copied_to(elements, buffer.device()), buffer);
    buffer.mark_mutated();
    from += buffer.elements();
  }
}

}  // namespace

StepSummary::StepSummary(std::size_t parameters, const State& buffers,
                         comm::Communicator& communicator, const core::ShardRange& shards)
    : parameters_(parameters), communicator_(communicator), shards_(shards) {
  std::size_t elements = 0;
  for (const auto& [name, buffer] : buffers) {
    if (!is_floating(buffer.dtype())) continue;
    buffers_.push_back(buffer);
    elements += static_cast<std::size_t>(buffer.elements());
  }
  start_.resize(elements);
  count_ = static_cast<std::int64_t>(first_buffer() + elements);
  const std::size_t bytes = static_cast<std::size_t>(count_) * sizeof(double);
  const core::Memory memory = new_lane(communicator, {}, bytes);
  partials_ = PartialStack({memory->data(), count_, DType::f64, {}, memory},
                           spare_lanes(communicator, shards, {}, bytes));
}

void StepSummary::begin_step() {
  partials_.clear();
  read(buffers_, start_.data());
  std::fill_n(values(), count_, 0.0);
}

void StepSummary::begin_shard() {
  std::fill_n(values(), count_, 0.0);
  restore_buffers();
}

void StepSummary::record_loss(double loss, double weight) {
  values()[0] = loss * weight;
  values()[1] = weight;
}

void StepSummary::end_shard() {
  double* const first = values() + first_buffer();
  read(buffers_, first);
  // Weight 0 leaves nothing, whatever an empty shard's buffers hold.
  for (std::size_t i = 0; i < start_.size(); ++i)
    first[i] = weight() == 0 ? 0 : first[i] * weight();
}

void StepSummary::finish_shard(int additions) {
  core::Stream& stream = core::current_stream({});
  partials_.add({0, count_}, additions, stream);
  partials_.drop(additions);
  partials_.keep();
}

void StepSummary::start(int additions, std::uint64_t plan) {
  core::Stream& stream = core::current_stream({});
  std::vector<core::ConstBuffer> nodes;
  if (shards_.count() > 0) {
    partials_.add({0, count_}, additions, stream);
    nodes = partials_.partials({0, count_}, additions);
  }
  work_ = communicator_.all_reduce(comm::Partials{nodes, shards_.total, plan}, partials_.top(),
                                   comm::Reduce::sum, stream);
}

void StepSummary::wait() { work_.wait(); }

std::vector<bool> StepSummary::used() const {
  std::vector<bool> used(parameters_);
  for (std::size_t i = 0; i < parameters_; ++i) used[i] = values()[first_used + i] > 0;
  return used;
}

void StepSummary::record_times(const RankTimes& times) {
  double* const own = values() + first_time() + 3 * static_cast<std::size_t>(communicator_.rank());
  own[0] = times.between;
  own[1] = times.compute;
  own[2] = times.communication;
}

std::vector<RankTimes> StepSummary::times() const {
  std::vector<RankTimes> times;
  for (std::size_t i = first_time(); i < first_buffer(); i += 3) {
    times.push_back({values()[i], values()[i + 1], values()[i + 2]});
  }
  return times;
}

void StepSummary::restore_buffers() { write(buffers_, start_.data()); }

void StepSummary::install_buffers() {
  if (start_.empty()) return;
  if (weight() == 0) return restore_buffers();
  double* const means = values() + first_buffer();
  for (std::size_t i = 0; i < start_.size(); ++i) means[i] /= weight();
  write(buffers_, means);
}

}  // namespace lockstep::parallel
