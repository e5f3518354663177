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
#include "src/parallel/checksum.h"
#include "src/parallel/tensor_buffer.h"

namespace lockstep::parallel {
namespace {

constexpr std::size_t most_tensors_listed = 4;

// i64 lanes carry hashes: only their bits matter.
core::Buffer lane_of(std::vector<std::uint64_t>& hashes) {
  return {hashes.data(), static_cast<std::int64_t>(hashes.size()), DType::i64, {}, {}};
}

template <class Subjects> std::vector<std::uint64_t> hashes_of(const Subjects& subjects) {
  std::vector<std::uint64_t> hashes;
  hashes.reserve(subjects.size());
  for (const auto& subject : subjects) hashes.push_back(subject.hash);
  return hashes;
}

// Steps sum floating-point buffers only.
State averaged(nn::Module& model) {
  State state = model.buffers();
  std::erase_if(state, [](const auto& entry) { return !is_floating(entry.second.dtype()); });
  return state;
}

}  // namespace

std::uint64_t hash_of(const Tensor& tensor) {
  const Tensor elements = tensor.is_contiguous() ? tensor : copied(tensor);
  const core::Buffer buffer = buffer_of(elements);
  return XXH3_64bits(buffer.data, buffer.bytes());
}

StepRecord::StepRecord(State state) : state_(std::move(state)), chains_(state_.size()) {}

void StepRecord::add_step() {
  for (std::size_t i = 0; i < chains_.size(); ++i) {
    const core::Buffer buffer = buffer_of(state_[i].second);
    chains_[i] = chained(chains_[i], checksum(buffer.data, buffer.bytes()));
  }
}

void StepRecord::clear() { std::fill(chains_.begin(), chains_.end(), 0); }

DivergenceGuard::DivergenceGuard(nn::Module& model, const optim::Optimizer& optimizer,
                                 comm::Communicator& communicator,
                                 const DataParallelOptions& options)
    : optimizer_(optimizer),
      communicator_(communicator),
      every_(options.check_every),
      on_divergence_(options.on_divergence),
      model_(model.parameters()),
      averaged_(averaged(model)),
      shared_(optimizer.parameters()),
      written_(optimizer),
      damage_(optimizer.parameters().size()) {
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
  if (is_off() || step == begun_) return;        // buffers are each rank's own within a step
  if (equal_before_ == 0) equal_before_ = step;  // rank 0's state, or a checkpoint's
  if (is_due(step)) compare(step);
  averaged_.add_step();
  begun_ = step;
}

void DivergenceGuard::begin_shared_update() {
  const obs::TraceScope trace("step", "record parameters");
  if (!is_off()) shared_.add_step();
}

// Only the last update before a comparison is looked at: that of every step would cost too much.
void DivergenceGuard::record_written(std::int64_t step, int arena, core::Range range) {
  if (!is_off() && is_due(step + 1)) written_.add(arena, range);
}

void DivergenceGuard::end_shared_update() {
  if (written_.is_empty()) return;
  damage_ = written_.damage();
  written_.clear();
}

void DivergenceGuard::compare(std::int64_t step) {
  const obs::TraceScope trace("step", "compare replicas", -1, step);
  const std::vector<Subject> all = subjects();
  forget_records();
  if (!is_equal_everywhere(all)) {
    const HashTable table = gathered(hashes_of(all));
    const std::vector<Divergence> found = divergences(table);
    const std::string account = account_of(step, all, table, found);
    check<Error>(can_repair(all, found), [&] {
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

void DivergenceGuard::forget_records() {
  averaged_.clear();
  shared_.clear();
  std::fill(damage_.begin(), damage_.end(), 0);
}

std::vector<DivergenceGuard::Subject> DivergenceGuard::subjects() const {
  using Kind = Subject::Kind;
  std::vector<Subject> all;
  for (const auto& [name, tensor] : model_)
    all.push_back({name, hash_of(tensor), Kind::value, tensor});
  if (optimizer_.is_state_complete()) {  // else each rank holds a part that no other has
    for (const auto& [name, tensor] : optimizer_.state())
      all.push_back({"optimizer " + name, hash_of(tensor), Kind::value, tensor});
  }
  for (const StepRecord* record : {&averaged_, &shared_}) {
    for (std::size_t i = 0; i < record->state().size(); ++i)
      all.push_back({record->state()[i].first, record->chains()[i], Kind::record});
  }
  for (std::size_t i = 0; i < damage_.size(); ++i)
    all.push_back({shared_.state()[i].first, damage_[i], Kind::written});
  return all;
}

bool DivergenceGuard::is_equal_everywhere(const std::vector<Subject>& subjects) {
  const std::vector<std::uint64_t> hashes = hashes_of(subjects);
  return divergences(gathered({XXH3_64bits(hashes.data(), hashes.size() * sizeof(hashes[0]))}))
      .empty();
}

HashTable DivergenceGuard::gathered(std::vector<std::uint64_t> hashes) {
  HashTable table{communicator_.size(), {}};
  table.hashes.resize(hashes.size() * static_cast<std::size_t>(table.ranks));
  communicator_.all_gather(lane_of(hashes), lane_of(table.hashes), core::current_stream({})).wait();
  return table;
}

// What an owner gave to all ranks after it was damaged, nobody has any more as it was.
bool DivergenceGuard::can_repair(const std::vector<Subject>& subjects,
                                 const std::vector<Divergence>& found) const {
  const auto replaces = [&](const std::string& name) {
    return std::any_of(found.begin(), found.end(), [&](const Divergence& each) {
      return subjects[each.tensor].kind == Subject::Kind::value &&
             subjects[each.tensor].name == name;
    });
  };
  return on_divergence_ == OnDivergence::repair &&
         std::all_of(found.begin(), found.end(), [&](const Divergence& each) {
           const Subject& subject = subjects[each.tensor];
           return each.majority >= 0 &&
                  (subject.kind != Subject::Kind::written || replaces(subject.name));
         });
}

std::string DivergenceGuard::account_of(std::int64_t step, const std::vector<Subject>& subjects,
                                        const HashTable& table,
                                        const std::vector<Divergence>& found) const {
  constexpr const char* which[] = {"", " of a step before", " since its owner wrote it"};
  std::string text = fmt::format("the replicas that step {} begins with differ", step);
  if (equal_before_ > 0) text += fmt::format("; they were equal before step {}", equal_before_);
  for (std::size_t i = 0; i < std::min(found.size(), most_tensors_listed); ++i) {
    const Subject& subject = subjects[found[i].tensor];
    const std::string name = subject.name + which[static_cast<std::size_t>(subject.kind)];
    text += "; " + description(found[i], name, table);
  }
  if (found.size() > most_tensors_listed) {
    text += fmt::format("; and {} tensors more", found.size() - most_tensors_listed);
  }
  return text;
}

// A record has nothing to replace: what steps have used since is in all replicas.
void DivergenceGuard::repair(const std::vector<Subject>& subjects,
                             const std::vector<Divergence>& found, const std::string& account) {
  for (const Divergence& each : found) {
    const Tensor& tensor = subjects[each.tensor].tensor;
    if (!tensor.is_defined()) continue;
    communicator_.broadcast(buffer_of(tensor), each.majority, core::current_stream(tensor.device()))
        .wait();
    tensor.mark_mutated();
  }
  check<Error>(is_equal_everywhere(this->subjects()), [&] {
    return Complaint{account + "; what the majority sent did not arrive unharmed either",
                     "go on from a checkpoint, without the hosts whose memory is suspect"};
  });
  if (communicator_.rank() == 0) obs::warning(account + "; the majority's values replace them");
}

}  // namespace lockstep::parallel
