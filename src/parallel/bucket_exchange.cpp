#include "src/parallel/bucket_exchange.h"

#include <algorithm>

namespace lockstep::parallel {
namespace {

std::vector<PlannedSegment> planned(const optim::Arena& arena) {
  std::vector<PlannedSegment> segments;
  for (const int number : arena.layout()) {
    const optim::Segment& segment = arena.segments()[static_cast<std::size_t>(number)];
    segments.push_back({number, segment.padded(arena.dtype())});
  }
  return segments;
}

}  // namespace

BucketExchange::BucketExchange(optim::Arena& arena, comm::Communicator& communicator,
                               const core::ShardRange& shards, const BucketExchangeOptions& options)
    : arena_(arena),
      communicator_(communicator),
      shards_(shards),
      is_exact_(options.is_exact),
      plan_(plan_buckets(planned(arena), static_cast<std::int64_t>(size_of(arena.dtype())),
                         options.bucket_bytes)),
      trainable_(plan_.size(), 0),
      partials_(arena.gradients({0, arena.count()})) {
  works_.reserve(plan_.size());
  for (std::size_t bucket = 0; bucket < plan_.size(); ++bucket) watch(bucket);
}

void BucketExchange::watch(std::size_t bucket) {
  for (const int segment : trainable_segments(plan_[bucket])) {
    hooks_.push_back(
        on_gradient_final(arena_.parameter(segment), [this, bucket] { count_down(bucket); }));
    ++trainable_[bucket];
  }
}

std::vector<int> BucketExchange::trainable_segments(const Bucket& bucket) const {
  std::vector<int> found;
  for (const int segment : bucket.segments) {
    if (!arena_.is_frozen(segment)) found.push_back(segment);
  }
  return found;
}

void BucketExchange::finish_shard(int additions) {
  core::Stream& stream = core::current_stream(arena_.device());
  partials_.add({0, arena_.count()}, additions, stream);
  partials_.drop(additions);
  partials_.keep(stream);
}

void BucketExchange::begin_last_shard(int additions) {
  additions_ = additions;
  is_armed_ = true;
  missing_ = trainable_;
}

void BucketExchange::count_down(std::size_t bucket) {
  if (!is_armed_) return;
  --missing_[bucket];
  start_ready();
  communicator_.poll();
}

void BucketExchange::start_ready() {
  while (works_.size() < plan_.size() && missing_[works_.size()] == 0) {
    start(plan_[works_.size()]);
  }
}

void BucketExchange::start(const Bucket& bucket) {
  core::Stream& stream = core::current_stream(arena_.device());
  const core::Buffer out = partials_.part(bucket.range);
  if (!is_exact_) {
    works_.push_back(
        communicator_.all_reduce(core::ConstBuffer(out), out, comm::Reduce::sum, stream));
    return;
  }
  std::vector<core::ConstBuffer> nodes;
  if (shards_.count() > 0) {
    partials_.add(bucket.range, additions_, stream);
    nodes = partials_.partials(bucket.range, additions_);
  }
  works_.push_back(communicator_.all_reduce(comm::Partials{nodes, shards_.total}, out,
                                            comm::Reduce::sum, stream));
}

void BucketExchange::flush() {
  is_armed_ = false;
  while (works_.size() < plan_.size()) start(plan_[works_.size()]);
}

void BucketExchange::end_step() {
  works_.clear();
  partials_.clear();
}

}  // namespace lockstep::parallel
