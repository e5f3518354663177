#include "src/parallel/step_exchange.h"

#include <algorithm>

namespace lockstep::parallel {
namespace {

using Clock = std::chrono::steady_clock;

std::vector<bool> frozen_parameters(const optim::Optimizer& optimizer) {
  std::vector<bool> frozen;
  for (const auto& [name, parameter] : optimizer.parameters()) {
    frozen.push_back(!parameter.requires_grad());
  }
  return frozen;
}

}  // namespace

StepExchange::StepExchange(optim::Optimizer& optimizer, comm::Communicator& communicator,
                           const core::ShardRange& shards, const StepExchangeOptions& options)
    : optimizer_(optimizer), communicator_(communicator), options_(options) {
  for (optim::Arena& arena : optimizer.arenas()) {
    exchanges_.push_back(
        std::make_unique<BucketExchange>(arena, communicator, shards, options.is_exact));
  }
}

bool StepExchange::is_plan_current() const {
  const auto& parameters = optimizer_.parameters();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (parameters[i].second.requires_grad() == planned_frozen_[i]) return false;
  }
  return true;
}

void StepExchange::plan(const BucketSizes& sizes) {
  for (std::size_t arena = 0; arena < exchanges_.size(); ++arena) {
    const std::size_t element = size_of(optimizer_.arenas()[arena].dtype());
    const auto line = static_cast<std::int64_t>(core::alignment / element);
    const std::int64_t grain = options_.norm_grain > 0 ? options_.norm_grain : line;
    optimizer_.arenas()[arena].gather_gradients();  // those of parameters that were thawed
    exchanges_[arena]->plan(sizes, grain, [this](int) {
      if (!options_.is_early) return;
      const auto before = Clock::now();
      start_ready();
      communicator_.poll();
      spent_ += Clock::now() - before;
    });
  }
  planned_frozen_ = frozen_parameters(optimizer_);
  order_buckets();
  plan_hash_ = hash_of_plan();
}

// The arenas' buckets in turn, each arena's evenly spread.
void StepExchange::order_buckets() {
  order_.clear();
  for (std::size_t arena = 0; arena < exchanges_.size(); ++arena) {
    for (int bucket = 0; bucket < exchanges_[arena]->size(); ++bucket)
      order_.emplace_back(static_cast<int>(arena), bucket);
  }
  std::stable_sort(order_.begin(), order_.end(), [&](const auto& a, const auto& b) {
    const auto place = [&](const auto& entry, int other_size) {
      return static_cast<std::int64_t>(2 * entry.second + 1) * other_size;
    };
    return place(a, exchanges_[index(b.first)]->size()) <
           place(b, exchanges_[index(a.first)]->size());
  });
}

std::uint64_t StepExchange::hash_of_plan() const {
  std::uint64_t hash = exchanges_.size();
  for (const auto& exchange : exchanges_) hash = hash * 0x9e3779b97f4a7c15U + exchange->plan_hash();
  return hash;
}

void StepExchange::lay_out_by_arrival() {
  for (auto& exchange : exchanges_) exchange->lay_out_by_arrival();
}

void StepExchange::begin_step(const StepPlan& plan) {
  end_step();
  started_ = 0;
  spent_ = {};
  for (auto& exchange : exchanges_) exchange->begin_step(plan);
}

void StepExchange::begin_shard(int additions, bool is_last) {
  for (auto& exchange : exchanges_) exchange->begin_shard(additions, is_last);
}

void StepExchange::finish_shard() {
  for (auto& exchange : exchanges_) exchange->finish_shard();
}

void StepExchange::start_next() {
  const auto& [arena, bucket] = order_[started_++];
  exchanges_[index(arena)]->start(bucket);
}

void StepExchange::start_ready() {
  while (started_ < order_.size()) {
    const auto& [arena, bucket] = order_[started_];
    if (!exchanges_[index(arena)]->is_ready(bucket)) return;
    start_next();
  }
}

void StepExchange::flush() {
  while (started_ < order_.size()) start_next();
}

void StepExchange::wait() {
  each_bucket([](int, BucketExchange& exchange, int bucket) { exchange.wait(bucket); });
}

void StepExchange::end_step() {
  for (auto& exchange : exchanges_) exchange->end_step();
}

}  // namespace lockstep::parallel
