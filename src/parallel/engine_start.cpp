// What is agreed, shared and planned before the first step and after it.
#include <fmt/format.h>

#include "lockstep/autograd/backward.h"
#include "lockstep/base/error.h"
#include "lockstep/optim/clip.h"
#include "lockstep/parallel/configuration.h"
#include "lockstep/parallel/sync_batch_norm.h"
#include "lockstep/tensor/views.h"
#include "src/parallel/agreement.h"
#include "src/parallel/engine.h"
#include "src/parallel/exchange_cost.h"
#include "src/parallel/slow_arithmetic.h"
#include "src/parallel/tensor_buffer.h"

namespace lockstep {
namespace {

using parallel::Fact;

void check_options(const DataParallelOptions& options, bool has_collective_layers) {
  check<UsageError>(options.bucket_bytes >= 0 && options.clip_norm >= 0, [&] {
    return Complaint{fmt::format("DataParallel: bucket_bytes {}, clip_norm {}",
                                 options.bucket_bytes, options.clip_norm),
                     "give 0 (planned; no limit) or more"};
  });
  check<UsageError>(!options.capture || !has_collective_layers, [] {
    return Complaint{
        "DataParallel: capture, and a SyncBatchNorm, whose collectives in the middle "
        "of a pass cannot be replayed",
        "use nn::BatchNorm, or do without capture"};
  });
}

void check_is_complete(const optim::Optimizer& optimizer) {
  check<UsageError>(optimizer.is_state_complete(), [] {
    return Complaint{
        "DataParallel: the ranks of an earlier one still hold the optimizer's state in parts",
        "call its gather_optimizer_state() on all ranks before it goes, or load a state"};
  });
}

std::string description(const Tensor& x) {
  return fmt::format("{} {}", name_of(x.dtype()), to_string(x.shape()));
}

std::string in_half_precision(const Tensor& x) {
  return x.shadow() ? fmt::format(", computes in {}", name_of(x.shadow()->dtype)) : "";
}

const char* name_of_tail(Tail tail) {
  constexpr const char* names[] = {"automatic", "plain", "fused"};
  return names[static_cast<std::size_t>(tail)];
}

double loss_scale_of(const optim::Optimizer& optimizer) {
  return optimizer.loss_scaler() == nullptr ? 1 : optimizer.loss_scaler()->scale();
}

std::vector<Fact> facts_of(nn::Module& model, const optim::Optimizer& optimizer, const World& world,
                           const DataParallelOptions& options) {
  std::vector<Fact> facts;
  for (const auto& [name, value] : parallel::configuration_of(world, options))
    facts.push_back({name, value});
  facts.push_back({"clip_norm", fmt::format("{}", options.clip_norm)});
  facts.push_back({"bucket_bytes", fmt::format("{}", options.bucket_bytes)});
  facts.push_back({"tail", name_of_tail(options.tail)});
  facts.push_back({"requires_finite_loss", options.requires_finite_loss ? "true" : "false"});
  facts.push_back({"check_every", fmt::format("{}", options.check_every)});
  facts.push_back(
      {"on_divergence", options.on_divergence == OnDivergence::stop ? "stop" : "repair"});
  facts.push_back({"straggler_share", fmt::format("{}", options.straggler_share)});
  facts.push_back({"straggler_steps", fmt::format("{}", options.straggler_steps)});
  facts.push_back({"loss scale", fmt::format("{}", loss_scale_of(optimizer))});
  facts.push_back({"learning rate", fmt::format("{}", optimizer.learning_rate())});
  int position = 0;
  for (const auto& [name, x] : optimizer.parameters()) {
    facts.push_back({fmt::format("parameter {}", position++),
                     fmt::format("{} {}{}{}", name, description(x), in_half_precision(x),
                                 x.requires_grad() ? "" : ", frozen")});
  }
  for (const optim::Arena& arena : optimizer.arenas())
    facts.push_back({"states of the optimizer", fmt::format("{}", arena.states())});
  position = 0;
  for (const auto& [name, x] : model.state())
    facts.push_back(
        {fmt::format("tensor {} of the model", position++), name + " " + description(x)});
  return facts;
}

// Forward and backward from a seed, the last of the inputs, that `loss` knows nothing of.
std::unique_ptr<Captured> captured_passes(const std::function<Tensor()>& loss) {
  return std::make_unique<Captured>([&loss](std::span<const Tensor> inputs) {
    Tensor value = loss();
    parallel::check_loss(value);
    backward(value, reshaped_view(copied(inputs.back(), value.dtype()), value.shape()));
    return value;
  });
}

}  // namespace

DataParallel::Engine::Engine(nn::Module& model, optim::Optimizer& optimizer, World& world,
                             const Options& options, const std::source_location& where)
    : optimizer_(optimizer),
      world_(world),
      options_(options),
      shards_(world.shards()),
      schedule_(parallel::schedule_of(shards_)),
      has_collective_layers_(parallel::has_sync_batch_norm(model)),
      tail_(options.tail, world.size() == 1) {
  comm::Communicator& ranks = world.communicator();
  parallel::check_agreement(ranks, facts_of(model, optimizer, world, options), where);
  check_is_complete(optimizer);
  check_options(options,
                has_collective_layers_);  // the same on all ranks, so that all of them throw
  guard_ = std::make_unique<parallel::DivergenceGuard>(model, optimizer, ranks, options);
  stragglers_ = std::make_unique<parallel::Stragglers>(ranks, shards_, options);
  sizes_ = bucket_sizes();
  exchange_ = std::make_unique<parallel::StepExchange>(
      optimizer, ranks, shards_,
      parallel::StepExchangeOptions{.is_exact = options.mode == SumMode::lockstep,
                                    .is_early = !has_collective_layers_,
                                    .norm_grain = needs_norm() ? optim::norm_block : 0});
  summary_ = std::make_unique<parallel::StepSummary>(optimizer.parameters().size(), model.buffers(),
                                                     ranks, shards_);
  share_rank_0_state(model);
  if (ranks.rank() == 0) parallel::warn_of_slow_arithmetic(optimizer);
  if (options.capture) captured_ = captured_passes(shard_loss_);
  plan();
}

void DataParallel::Engine::share_rank_0_state(nn::Module& model) {
  for (const auto& [name, tensor] : model.state()) {
    world_.communicator()
        .broadcast(parallel::buffer_of(tensor), 0, core::current_stream(tensor.device()))
        .wait();
    tensor.mark_mutated();
  }
}

parallel::BucketSizes DataParallel::Engine::bucket_sizes() {
  const std::int64_t bytes = options_.bucket_bytes;
  if (bytes > 0) return {.first = bytes, .middle = bytes, .last = 0};
  if (world_.size() == 1) return parallel::bucket_sizes({});
  return parallel::bucket_sizes(parallel::measured_cost(world_.communicator()));
}

// Which rank keeps which part of the optimizer's state follows from the plan, so the state is made
// complete before the plan changes.
void DataParallel::Engine::plan() {
  gather_optimizer_state();
  if (captured_) captured_->forget();
  exchange_->plan(sizes_);
}

void DataParallel::Engine::lay_out_by_arrival() {
  is_laid_out_ = true;
  if (world_.size() == 1) return;
  gather_optimizer_state();
  exchange_->lay_out_by_arrival();
  exchange_->plan(sizes_);
}

}  // namespace lockstep
