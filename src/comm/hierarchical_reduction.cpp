#include "src/comm/hierarchical_reduction.h"

#include <algorithm>

#include "lockstep/core/allocator.h"
#include "lockstep/kernels/registry.h"

namespace lockstep::comm {
namespace {

enum Kind : std::int32_t {
  partial_sent,
  partial_received,
  joined_sent,
  joined_received,
  result_sent,
  result_received
};

constexpr std::int64_t jobs_under_way_of_each_rank = 3;

}  // namespace

HierarchicalReduction::HierarchicalReduction(const Call& call,
                                             std::shared_ptr<const HostForest> forest,
                                             std::shared_ptr<const Hosts> hosts,
                                             const Membership& member,
                                             std::unique_ptr<Messages> messages)
    : Exchange(call, member, std::move(messages)),
      plan_(plan_of(call, member.size)),
      forest_(std::move(forest)),
      hosts_(std::move(hosts)),
      host_(hosts_->of(member.rank)),
      element_(size_of(call.out.dtype)),
      is_short_(call.op != Op::reduce_scatter && plan_.last_taker == 0) {
  std::int64_t rounds = 0;
  for (const core::Range& range : plan_.owned)
    rounds = std::max(rounds, (range.count() + plan_.piece - 1) / plan_.piece);
  jobs_ = is_short_ ? std::min<std::int64_t>(rounds, 1) : rounds * member.size;
}

void HierarchicalReduction::begin() {
  window_.resize(
      static_cast<std::size_t>(std::min(jobs_, jobs_under_way_of_each_rank * this->size())));
  for (std::size_t slot = 0; slot < window_.size(); ++slot) fill(slot);
}

// Starts the next job that has messages in this slot; jobs without any are done when they return.
void HierarchicalReduction::fill(std::size_t slot) {
  while (window_[slot].open == 0 && next_job_ < jobs_) start(slot);
}

void HierarchicalReduction::start(std::size_t slot) {
  Job& job = window_[slot];
  job = Job{.number = next_job_++};
  assign(job);
  if (job.range.count() == 0) return;
  if (is_head(job)) {
    gather(slot);
    proceed(slot);
  } else {
    give_partials(slot);
  }
}

// The same on every rank.
void HierarchicalReduction::assign(Job& job) const {
  if (is_short_) {
    const int root_host = hosts_->of(call().root);
    job.range = plan_.owned[static_cast<std::size_t>(call().root)];
    for (const std::vector<int>& ranks : hosts_->ranks) job.heads.push_back(ranks.front());
    if (call().op != Op::reduce) return;
    job.heads[static_cast<std::size_t>(root_host)] = call().root;
    job.folder = root_host;
    return;
  }
  const int owner = static_cast<int>(job.number % size());
  const std::int64_t round = job.number / size();
  const core::Range& owned = plan_.owned[static_cast<std::size_t>(owner)];
  job.range = {std::min(owned.end, owned.begin + round * plan_.piece),
               std::min(owned.end, owned.begin + (round + 1) * plan_.piece)};
  job.folder = hosts_->of(owner);
  for (const std::vector<int>& ranks : hosts_->ranks)
    job.heads.push_back(ranks[static_cast<std::size_t>(owner + round) % ranks.size()]);
  job.heads[static_cast<std::size_t>(job.folder)] = owner;
}

void HierarchicalReduction::give_partials(std::size_t slot) {
  const Job& job = window_[slot];
  for (std::size_t own = 0; own < call().in.size(); ++own) {
    const int number = forest_->first[static_cast<std::size_t>(rank())] + static_cast<int>(own);
    ++window_[slot].unsent;
    post_send(slot, head(job, host_), number,
              static_cast<const std::byte*>(call().in[own].data) + bytes_of(job.range.begin),
              partial_sent);
  }
  if (call().in.empty()) await_result(slot);
}

void HierarchicalReduction::gather(std::size_t slot) {
  Job& job = window_[slot];
  const auto& sum = forest_->sums[static_cast<std::size_t>(host_)];
  const auto& joined = forest_->joined[static_cast<std::size_t>(host_)];
  const std::size_t blocks = sum.inputs.size() + joined.size() + 1;  // and a result
  job.scratch = core::allocator(call().out.device).allocate(blocks * stride(job));
  job.partials.resize(static_cast<std::size_t>(forest_->partials()));
  job.inputs.resize(sum.inputs.size());
  for (std::size_t place = 0; place < sum.inputs.size(); ++place) {
    const HostForest::Input& input = sum.inputs[place];
    if (input.host == host_) {
      const int from = forest_->rank_of[static_cast<std::size_t>(input.number)];
      const int own = input.number - forest_->first[static_cast<std::size_t>(rank())];
      const std::byte* data = nullptr;
      if (from == rank()) {
        data = static_cast<const std::byte*>(call().in[static_cast<std::size_t>(own)].data) +
               bytes_of(job.range.begin);
      } else {
        std::byte* const block = new_block(job);
        ++job.missing;
        post_receive(slot, from, input.number, block, partial_received);
        data = block;
      }
      job.partials[static_cast<std::size_t>(input.number)] = data;
      job.inputs[place] = data;
    } else if (folds(job)) {
      std::byte* const block = new_block(job);
      ++job.missing_joined;
      const auto& theirs = forest_->joined[static_cast<std::size_t>(input.host)];
      const int index = theirs[static_cast<std::size_t>(input.number)].partials.front();
      post_receive(slot, head(job, input.host), index, block, joined_received);
      job.inputs[place] = block;
    }
  }
}

void HierarchicalReduction::proceed(std::size_t slot) {
  Job& job = window_[slot];
  if (job.missing > 0) return;
  if (!job.is_joined) {
    job.is_joined = true;
    join(slot);
  }
  // `out` may be a partial that is still being sent.
  if (job.is_folded || job.missing_joined > 0 || job.unsent > 0) return;
  job.is_folded = true;
  if (!folds(job)) return await_result(slot);
  fold(job);
  pass_result_on(slot);
}

// Subtrees for the other hosts' heads that fold.
void HierarchicalReduction::join(std::size_t slot) {
  Job& job = window_[slot];
  if (job.folder == host_) return;
  for (const auto& joined : forest_->joined[static_cast<std::size_t>(host_)]) {
    std::vector<const void*> inputs;
    for (const int number : joined.partials)
      inputs.push_back(job.partials[static_cast<std::size_t>(number)]);
    if (inputs.size() == 1) {
      send_joined(slot, joined, static_cast<const std::byte*>(inputs.front()));
      continue;
    }
    std::byte* const block = new_block(job);
    run_fold(inputs, joined.program, job.range.count(), block, 1.0);
    send_joined(slot, joined, block);
  }
}

void HierarchicalReduction::send_joined(std::size_t slot, const HostForest::Joined& joined,
                                        const std::byte* data) {
  Job& job = window_[slot];
  for (int host = 0; host < hosts_->count(); ++host) {
    if (host == host_ || (job.folder != every_head && job.folder != host)) continue;
    ++job.unsent;
    post_send(slot, head(job, host), joined.partials.front(), data, joined_sent);
  }
}

void HierarchicalReduction::fold(Job& job) {
  const std::vector<const void*> inputs(job.inputs.begin(), job.inputs.end());
  run_fold(inputs, forest_->sums[static_cast<std::size_t>(host_)].program, job.range.count(),
           result_of(job), call().reduce == Reduce::mean ? 1.0 / call().shards : 1.0);
}

void HierarchicalReduction::run_fold(const std::vector<const void*>& inputs,
                                     const std::vector<core::FoldStep>& program, std::int64_t count,
                                     std::byte* out, double scale) const {
  const kernels::FoldCall fold{.op = fold_op(call().reduce),
                               .dtype = call().out.dtype,
                               .count = count,
                               .in = inputs.data(),
                               .inputs = static_cast<int>(inputs.size()),
                               .program = program.data(),
                               .steps = static_cast<int>(program.size()),
                               .out = out,
                               .scale = scale};
  core::Stream stream(call().out.device);
  kernels::backend(call().out.device).fold(fold, stream);
}

// Who sends the result to that rank; itself where it folds.
int HierarchicalReduction::giver_of(const Job& job, int taker) const {
  if (call().op == Op::reduce_scatter) return nobody;
  if (call().op == Op::reduce) return taker == call().root ? head(job, job.folder) : nobody;
  const int own_head = head(job, hosts_->of(taker));
  if (taker != own_head || job.folder == every_head) return own_head;
  return head(job, job.folder);
}

void HierarchicalReduction::await_result(std::size_t slot) {
  Job& job = window_[slot];
  const int from = giver_of(job, rank());
  if (from == nobody || from == rank()) return;
  post_receive(slot, from, forest_->partials(), result_of(job), result_received);
}

void HierarchicalReduction::pass_result_on(std::size_t slot) {
  Job& job = window_[slot];
  for (int taker = 0; taker < size(); ++taker) {
    if (taker == rank() || giver_of(job, taker) != rank()) continue;
    post_send(slot, taker, forest_->partials(), result_of(job), result_sent);
  }
}

void HierarchicalReduction::completed(const Token& token) {
  const auto slot = static_cast<std::size_t>(token.piece);
  Job& job = window_[slot];
  switch (token.kind) {
    case partial_sent:
      if (--job.unsent == 0) await_result(slot);
      break;
    case partial_received:
      --job.missing;
      proceed(slot);
      break;
    case joined_sent:
      --job.unsent;
      proceed(slot);
      break;
    case joined_received:
      --job.missing_joined;
      proceed(slot);
      break;
    case result_received:
      pass_result_on(slot);
      break;
    default:
      break;
  }
  --job.open;
  fill(slot);
}

void HierarchicalReduction::post_send(std::size_t slot, int to, int index, const void* data,
                                      int kind) {
  Job& job = window_[slot];
  ++job.open;
  send(to, static_cast<std::uint64_t>(job.number * (forest_->partials() + 1) + index), data,
       bytes_of(job.range.count()), {kind, to, static_cast<std::int64_t>(slot)});
}

void HierarchicalReduction::post_receive(std::size_t slot, int from, int index, void* data,
                                         int kind) {
  Job& job = window_[slot];
  ++job.open;
  receive(from, static_cast<std::uint64_t>(job.number * (forest_->partials() + 1) + index), data,
          bytes_of(job.range.count()), {kind, from, static_cast<std::int64_t>(slot)});
}

std::byte* HierarchicalReduction::new_block(Job& job) const {
  return static_cast<std::byte*>(job.scratch->data()) + job.blocks++ * stride(job);
}

// A folder's result that another rank takes lies behind its scratch.
std::byte* HierarchicalReduction::result_of(Job& job) const {
  if (call().op == Op::reduce && rank() != call().root) {
    const std::size_t last = forest_->sums[static_cast<std::size_t>(host_)].inputs.size() +
                             forest_->joined[static_cast<std::size_t>(host_)].size();
    return static_cast<std::byte*>(job.scratch->data()) + last * stride(job);
  }
  const std::int64_t origin =
      call().op == Op::reduce_scatter ? plan_.owned[static_cast<std::size_t>(rank())].begin : 0;
  return static_cast<std::byte*>(call().out.data) + bytes_of(job.range.begin - origin);
}

}  // namespace lockstep::comm
