#include "src/parallel/divergence_guard.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <utility>

#include "lockstep/base/error.h"
#include "lockstep/core/stream.h"
#include "lockstep/obs/log.h"
#include "lockstep/obs/trace.h"
#include "lockstep/tensor/views.h"
#include "src/parallel/tensor_buffer.h"

namespace lockstep::parallel {
namespace {

constexpr std::size_t most_tensors_listed = 4;

// i64 lanes carry hashes: only their bits matter.
core::Buffer lane_of(std::vector<std::uint64_t>& hashes) {
  return {hashes.data(), static_cast<std::int64_t>(hashes.size()), DType::i64, {}, {}};
}

bool has_majorities(const std::vector<Divergence>& found) {
  return std::all_of(found.begin(), found.end(),
                     [](const Divergence& each) { return each.majority >= 0; });
}

// Steps sum floating-point buffers only.
State averaged(nn::Module& model) {
  State state = model.buffers();
  std::erase_if(state, [](const auto& entry) { return !is_floating(entry.second.dtype()); });
  return state;
}

}  // namespace

std::uint64_t hash_of(const Tensor& tensor, std::uint64_t before) {
  const Tensor elements = tensor.is_contiguous() ? tensor : copied(tensor);
  const core::Buffer buffer = buffer_of(elements);
  return XXH3_64bits_withSeed(buffer.data, buffer.bytes(), before);
}

StepRecord::StepRecord(State state) : state_(std::move(state)), hashes_(state_.size()) {}

void StepRecord::add_step() {
  for (std::size_t i = 0; i < hashes_.size(); ++i)
    hashes_[i] = hash_of(state_[i].second, hashes_[i]);
}

void StepRecord::clear() { std::fill(hashes_.begin(), hashes_.end(), 0); }

DivergenceGuard::DivergenceGuard(nn::Module& model, const optim::Optimizer& optimizer,
                                 comm::Communicator& communicator,
                                 const DataParallelOptions& options)
    : optimizer_(optimizer),
      communicator_(communicator),
      every_(options.check_every),
      on_divergence_(options.on_divergence),
      model_(model.parameters()),
      averaged_(averaged(model)) {
  check<UsageError>(options.check_every >= 0, [&] {
    return Complaint{fmt::format("DataParallel: check_every is {}", options.check_every),
                     "give a number of steps, or 0 to compare the replicas never"};
  });
  model_.insert(model_.end(), averaged_.state().begin(), averaged_.state().end());
}

bool DivergenceGuard::is_due(std::int64_t step) const {
  return step > 1 && (step - 1) % every_ == 0;
}

void DivergenceGuard::begin_step(std::int64_t step) {
  if (every_ == 0 || communicator_.size() == 1) return;
  if (equal_before_ == 0) equal_before_ = step;  // rank 0's state, or a checkpoint's
  if (is_due(step)) compare(step);
  averaged_.add_step();
}

void DivergenceGuard::compare(std::int64_t step) {
  const obs::TraceScope trace("step", "compare replicas", -1, step);
  const State all = replicas();
  const std::vector<std::uint64_t> own = own_hashes(all);
  averaged_.clear();
  if (!is_equal_everywhere(own)) {
    const HashTable table = gathered(own);
    const std::vector<Divergence> found = divergences(table);
    const std::string account = account_of(step, all, table, found);
    check<Error>(on_divergence_ == OnDivergence::repair && has_majorities(found), [&] {
      return Complaint{account,
                       fmt::format("go on from a checkpoint of step {} or before, without the "
                                   "host whose memory is suspect; from three ranks on, "
                                   "OnDivergence::repair follows the majority",
                                   std::max<std::int64_t>(equal_before_ - 1, 0))};
    });
    repair(all, found, account);
  }
  equal_before_ = step;
}

State DivergenceGuard::replicas() const {
  State all = model_;
  if (!optimizer_.is_state_complete()) return all;  // each rank holds a part that no other has
  for (const auto& [name, tensor] : optimizer_.state())
    all.emplace_back("optimizer " + name, tensor);
  return all;
}

// Those of the tensors, then those of the record.
std::vector<std::uint64_t> DivergenceGuard::own_hashes(const State& replicas) const {
  std::vector<std::uint64_t> hashes;
  hashes.reserve(replicas.size() + averaged_.hashes().size());
  for (const auto& [name, tensor] : replicas) hashes.push_back(hash_of(tensor));
  hashes.insert(hashes.end(), averaged_.hashes().begin(), averaged_.hashes().end());
  return hashes;
}

bool DivergenceGuard::is_equal_everywhere(const std::vector<std::uint64_t>& hashes) {
  return divergences(gathered({XXH3_64bits(hashes.data(), hashes.size() * sizeof(hashes[0]))}))
      .empty();
}

HashTable DivergenceGuard::gathered(std::vector<std::uint64_t> hashes) {
  HashTable table{communicator_.size(), {}};
  table.hashes.resize(hashes.size() * static_cast<std::size_t>(table.ranks));
  communicator_.all_gather(lane_of(hashes), lane_of(table.hashes), core::current_stream({})).wait();
  return table;
}

std::string DivergenceGuard::account_of(std::int64_t step, const State& replicas,
                                        const HashTable& table,
                                        const std::vector<Divergence>& found) const {
  std::string text = fmt::format("the replicas that step {} begins with differ", step);
  if (equal_before_ > 0) text += fmt::format("; they were equal before step {}", equal_before_);
  for (std::size_t i = 0; i < std::min(found.size(), most_tensors_listed); ++i) {
    const std::size_t tensor = found[i].tensor;
    const std::string name =
        tensor < replicas.size()
            ? replicas[tensor].first
            : averaged_.state()[tensor - replicas.size()].first + " of a step before";
    text += "; " + description(found[i], name, table);
  }
  if (found.size() > most_tensors_listed) {
    text += fmt::format("; and {} tensors more", found.size() - most_tensors_listed);
  }
  return text;
}

// A record of steps before has nothing to replace: every replica holds the same mean over it.
void DivergenceGuard::repair(const State& replicas, const std::vector<Divergence>& found,
                             const std::string& account) {
  for (const Divergence& each : found) {
    if (each.tensor >= replicas.size()) continue;
    const Tensor& tensor = replicas[each.tensor].second;
    communicator_.broadcast(buffer_of(tensor), each.majority, core::current_stream(tensor.device()))
        .wait();
    tensor.mark_mutated();
  }
  check<Error>(is_equal_everywhere(own_hashes(replicas)), [&] {
    return Complaint{account + "; what the majority sent did not arrive unharmed either",
                     "go on from a checkpoint, without the hosts whose memory is suspect"};
  });
  if (communicator_.rank() == 0) obs::warning(account + "; the majority's values replace them");
}

}  // namespace lockstep::parallel
