#include "lockstep/autograd/captured.h"

#include <algorithm>
#include <array>
#include <string>

#include "lockstep/base/error.h"
#include "lockstep/tensor/views.h"

namespace lockstep {
namespace {

constexpr std::size_t most_inputs = 8;

// Who holds the storage of a result that only the recording knows: its slot, and the result.
constexpr std::uint32_t own_references = 2;

}  // namespace

Captured::Captured(Function function, int most_recordings)
    : function_(std::move(function)),
      most_recordings_(static_cast<std::size_t>(std::max(1, most_recordings))) {}

void Captured::check_count(std::size_t given, std::size_t taken) {
  check<UsageError>(given == taken, [&] {
    return Complaint{"Captured: " + std::to_string(given) + " tensors for a function of " +
                         std::to_string(taken),
                     "give as many as the function takes"};
  });
}

Tensor Captured::call(std::span<const Tensor> inputs) {
  check<UsageError>(inputs.size() <= most_inputs, [&] {
    return Complaint{"Captured: " + std::to_string(inputs.size()) + " tensors",
                     "give at most " + std::to_string(most_inputs) + "; stack them"};
  });
  std::array<View, most_inputs> all;
  const std::span<View> views(all.data(), inputs.size());
  std::transform(inputs.begin(), inputs.end(), views.begin(),
                 [](const Tensor& x) { return x.view(); });
  for (Entry& entry : recordings_) {
    if (!entry.recording->fits(views)) continue;
    Tensor& result = entry.result;
    if (result.storage()->references() > own_references) {
      result = Tensor(entry.recording->renewed(result.storage()), result.offset(), result.shape(),
                      result.strides(), result.dtype());
    }
    entry.recording->replay(views);
    return result.detach();
  }
  if (recordings_.size() == most_recordings_) recordings_.erase(recordings_.begin());
  recordings_.push_back(record(inputs, views));
  return recordings_.back().result.detach();
}

Captured::Entry Captured::record(std::span<const Tensor> inputs,
                                 std::span<const View> views) const {
  kernels::Recorder recorder(views);
  Tensor result = function_(inputs);
  check<UsageError>(result.is_defined(), [] {
    return Complaint{"Captured: the function returned an undefined tensor",
                     "return a tensor with what is wanted of it"};
  });
  result = result.detach();
  recorder.note(result.storage());
  // An input, a parameter, or what the function has put aside: the result is a copy.
  if (result.storage()->references() > own_references) result = copied(result);
  return {recorder.finish(), result};
}

}  // namespace lockstep
