#include "src/parallel/bucket_exchange.h"

#include <xxhash.h>

#include <algorithm>

#include "src/parallel/lanes.h"

namespace lockstep::parallel {
namespace {

PartialStack stack_over(optim::Arena& arena, comm::Communicator& ranks,
                        const core::ShardRange& shards, bool is_exact) {
  if (ranks.size() > 1) {
    core::Memory parameters = new_lane(ranks, arena.device(), arena.bytes());
    core::Memory gradients = new_lane(ranks, arena.device(), arena.bytes());
    arena.relocate(std::move(parameters), std::move(gradients));
  }
  const core::Buffer top = arena.gradients({0, arena.count()});
  if (!is_exact) return PartialStack(top);
  return PartialStack(top, spare_lanes(ranks, shards, arena.device(), arena.bytes()));
}

}  // namespace

BucketExchange::BucketExchange(optim::Arena& arena, comm::Communicator& communicator,
                               const core::ShardRange& shards, bool is_exact)
    : arena_(arena),
      communicator_(communicator),
      shards_(shards),
      is_exact_(is_exact),
      rank_(communicator.rank()),
      partials_(stack_over(arena, communicator, shards, is_exact)) {}

std::vector<PlannedSegment> BucketExchange::segments() const {
  std::vector<PlannedSegment> segments;
  for (const int number : arena_.layout()) {
    const optim::Segment& segment = arena_.segments()[static_cast<std::size_t>(number)];
    segments.push_back({number, segment.padded(arena_.dtype()), arena_.is_frozen(number)});
  }
  return segments;
}

void BucketExchange::plan(const BucketSizes& sizes, std::int64_t slice_grain,
                          const std::function<void(int bucket)>& on_final) {
  const auto planned = segments();
  plan_ = plan_buckets(planned, static_cast<std::int64_t>(size_of(arena_.dtype())), sizes);
  on_final_ = on_final;
  slices_.clear();
  counts_.clear();
  trainable_.clear();
  hooks_.clear();
  for (int bucket = 0; bucket < size(); ++bucket) {
    const Bucket& planned_bucket = plan_[static_cast<std::size_t>(bucket)];
    slices_.push_back(slices_of(planned_bucket, planned, slice_grain, communicator_.size()));
    auto& counts = counts_.emplace_back();
    for (const core::Range& slice : slices_.back()) counts.push_back(slice.count());
    trainable_.push_back(static_cast<int>(planned_bucket.segments.size()));
    for (const int segment : planned_bucket.segments) {
      hooks_.push_back(on_gradient_final(arena_.parameter(segment),
                                         [this, segment, bucket] { arrived(segment, bucket); }));
    }
  }
  missing_ = trainable_;
  sums_.clear();
  sums_.resize(plan_.size());
}

std::uint64_t BucketExchange::plan_hash() const {
  std::uint64_t hash = 0;
  for (const auto& slices : slices_)
    hash = XXH64(slices.data(), slices.size() * sizeof(core::Range), hash);
  for (const Bucket& bucket : plan_)
    hash = XXH64(bucket.segments.data(), bucket.segments.size() * sizeof(int), hash);
  return hash;
}

void BucketExchange::lay_out_by_arrival() {
  const int segments = static_cast<int>(arena_.segments().size());
  std::vector<std::int32_t> layout = layout_for_arrival(arrivals_, segments);
  communicator_
      .broadcast(core::Buffer{layout.data(), segments, DType::i32, {}, {}}, 0,
                 core::current_stream({}))
      .wait();
  if (std::vector<int>(layout.begin(), layout.end()) == arena_.layout()) return;
  arena_.reorder(layout);
  partials_.clear_spare_lanes();  // the padding lies elsewhere now
}

void BucketExchange::begin_step(const StepPlan& plan) {
  step_ = plan;
  is_in_shard_ = false;
}

void BucketExchange::begin_shard(int additions, bool is_last) {
  additions_ = additions;
  is_in_shard_ = true;
  is_last_shard_ = is_last;
  missing_ = trainable_;
}

void BucketExchange::finish_shard() {
  is_in_shard_ = false;
  if (!is_exact_) return;
  for (int bucket = 0; bucket < size(); ++bucket) {
    if (!is_ready(bucket)) add_partials(bucket);
  }
  partials_.drop(additions_);
  partials_.keep();
  arena_.exchange_gradient_lane(partials_.top().keep);
}

void BucketExchange::add_partials(int bucket) {
  partials_.add(plan_[static_cast<std::size_t>(bucket)].range, additions_,
                core::current_stream(arena_.device()));
}

void BucketExchange::arrived(int segment, int bucket) {
  if (!is_in_shard_) return;
  --missing_[static_cast<std::size_t>(bucket)];
  if (is_last_shard_) {
    if (!knows_arrivals_) arrivals_.push_back(segment);
    on_final_(bucket);
  } else if (is_exact_ && is_ready(bucket)) {
    add_partials(bucket);
  }
}

void BucketExchange::start(int bucket) {
  const auto i = static_cast<std::size_t>(bucket);
  core::Stream& stream = core::current_stream(arena_.device());
  const core::Range range = plan_[i].range;
  const core::Buffer whole = partials_.part(range);
  const core::Buffer out = step_.is_fused ? partials_.part(slice(bucket)) : whole;
  if (!is_exact_) {
    const core::ConstBuffer in(whole);
    sums_[i] = step_.is_fused
                   ? communicator_.reduce_scatter_v(in, out, counts_[i], comm::Reduce::sum, stream)
                   : communicator_.all_reduce(in, out, comm::Reduce::sum, stream);
    return;
  }
  std::vector<core::ConstBuffer> nodes;
  if (shards_.count() > 0) {
    add_partials(bucket);
    nodes = partials_.partials(range, additions_);
  }
  const comm::Partials in{nodes, shards_.total, step_.hash};
  sums_[i] = step_.is_fused
                 ? communicator_.reduce_scatter_v(in, out, counts_[i], comm::Reduce::sum, stream)
                 : communicator_.all_reduce(in, out, comm::Reduce::sum, stream);
}

comm::Work BucketExchange::share(const core::Buffer& lane, int bucket, std::uint64_t plan) {
  const auto i = static_cast<std::size_t>(bucket);
  return communicator_.all_gather_v(cut(lane, slice(bucket)), cut(lane, plan_[i].range), counts_[i],
                                    core::current_stream(arena_.device()), plan);
}

void BucketExchange::end_step() {
  is_in_shard_ = false;
  knows_arrivals_ = knows_arrivals_ || !arrivals_.empty();
  for (comm::Work& sum : sums_) sum = {};
  partials_.clear();
}

}  // namespace lockstep::parallel
