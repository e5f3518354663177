#include "src/parallel/engine.h"

#include <cmath>
#include <cstring>

#include "lockstep/autograd/backward.h"
#include "lockstep/autograd/parameter.h"
#include "lockstep/base/error.h"
#include "lockstep/core/random.h"
#include "lockstep/kernels/registry.h"
#include "lockstep/obs/trace.h"
#include "lockstep/optim/clip.h"
#include "lockstep/tensor/create.h"
#include "lockstep/tensor/views.h"
#include "src/parallel/tensor_buffer.h"

namespace lockstep {
namespace {

std::vector<bool> frozen_parameters(const optim::Optimizer& optimizer) {
  std::vector<bool> frozen;
  for (const auto& [name, parameter] : optimizer.parameters()) {
    frozen.push_back(!parameter.requires_grad());
  }
  return frozen;
}

void clear_segment(const optim::Arena& arena, const optim::Segment& segment) {
  const core::Buffer place = arena.gradients(segment.padded(arena.dtype()));
  std::memset(place.data, 0, place.bytes());
}

void check_loss(const Tensor& loss) {
  check<ShapeError>(loss.is_defined() && loss.elements() == 1, [&] {
    return Complaint{
        "step: the loss has shape " + (loss.is_defined() ? to_string(loss.shape()) : "(undefined)"),
        "return the mean loss over the part, one number"};
  });
}

}  // namespace

DataParallel::Engine::Engine(nn::Module& model, optim::Optimizer& optimizer, World& world,
                             const Options& options)
    : optimizer_(optimizer),
      world_(world),
      options_(options),
      shards_(world.shards()),
      schedule_(parallel::schedule_of(shards_)),
      summary_(optimizer.parameters().size(), model.buffers(), world.size()),
      guard_(model, optimizer, world.communicator(), options),
      stragglers_(world.communicator(), shards_, options) {
  share_rank_0_state(model);
  plan_exchanges();
}

void DataParallel::Engine::share_rank_0_state(nn::Module& model) {
  for (const auto& [name, tensor] : model.state()) {
    world_.communicator()
        .broadcast(parallel::buffer_of(tensor), 0, core::current_stream(tensor.device()))
        .wait();
    tensor.mark_mutated();
  }
}

bool DataParallel::Engine::is_plan_current() const {
  return planned_frozen_ == frozen_parameters(optimizer_);
}

void DataParallel::Engine::plan_exchanges() {
  exchanges_.clear();
  for (optim::Arena& arena : optimizer_.arenas()) {
    exchanges_.push_back(std::make_unique<parallel::BucketExchange>(
        arena, world_.communicator(), shards_,
        parallel::BucketExchangeOptions{options_.bucket_bytes,
                                        options_.mode == SumMode::lockstep}));
  }
  planned_frozen_ = frozen_parameters(optimizer_);
}

void DataParallel::Engine::compute(int parts, std::optional<double> batch_weight,
                                   const ShardLoss& loss) {
  check<UsageError>(parts == shards_.count(), [&] {
    return Complaint{"step: a batch of " + std::to_string(parts) + " parts on a rank that owns " +
                         std::to_string(shards_.count()) + " shards",
                     "give the loader this world's shards()"};
  });
  check<UsageError>(!batch_weight || *batch_weight > 0, [] {
    return Complaint{"step: a batch of 0 samples", "give every step at least one sample"};
  });
  started_ = Clock::now();
  waited_ = {};
  stragglers_.begin_step();
  if (!is_plan_current()) plan_exchanges();
  timed([&] { guard_.begin_step(steps + 1); });
  summary_.begin_step();
  optimizer_.discard_gradients();
  for (int shard = 0; shard < parts; ++shard) compute_shard(shard, loss, batch_weight);
  if (parts == 0) record_used_parameters();
  for (auto& exchange : exchanges_) exchange->flush();
  summary_.record_times(world_.rank(), stragglers_.arrive());
  const int last_additions = parts == 0 ? 0 : schedule_.additions.back();
  summary_.start(world_.communicator(), shards_, last_additions);
  is_weight_pending_ = !batch_weight;
  has_gradients_ = true;
}

void DataParallel::Engine::compute_shard(int index, const ShardLoss& loss,
                                         std::optional<double> batch_weight) {
  const core::RandomScope keys(options_.seed, static_cast<std::uint32_t>(steps + 1),
                               static_cast<std::uint32_t>(shards_.first + index));
  const bool is_last = index + 1 == shards_.count();
  const bool is_exact = options_.mode == SumMode::lockstep;
  const int additions = schedule_.additions[static_cast<std::size_t>(index)];
  summary_.begin_shard();
  if (is_exact) optimizer_.discard_gradients();
  if (is_last) {
    for (auto& exchange : exchanges_) exchange->begin_last_shard(additions);
  }
  if (const auto computed = loss(index)) backward_from(*computed, batch_weight);
  if (is_exact || is_last) record_used_parameters();
  summary_.end_shard();
  if (is_last) return;
  summary_.finish_shard(additions);
  if (!is_exact) return;
  for (auto& exchange : exchanges_) exchange->finish_shard(additions);
}

void DataParallel::Engine::backward_from(const WeightedLoss& computed,
                                         std::optional<double> batch_weight) {
  const Tensor& loss = computed.loss;
  check_loss(loss);
  summary_.record_loss(loss.item(), computed.weight);
  const double seed = computed.weight / batch_weight.value_or(1);
  backward(loss, full(loss.shape(), seed, {.dtype = loss.dtype(), .device = loss.device()}));
}

void DataParallel::Engine::record_used_parameters() {
  const std::vector<bool> has_gradient = optimizer_.with_gradient();
  for (std::size_t i = 0; i < has_gradient.size(); ++i) {
    if (has_gradient[i]) summary_.record_used(i);
  }
  for (const optim::Arena& arena : optimizer_.arenas()) {
    for (const optim::Segment& segment : arena.segments()) {
      if (!has_gradient[static_cast<std::size_t>(segment.parameter)]) clear_segment(arena, segment);
    }
  }
}

template <class Wait> void DataParallel::Engine::timed(const Wait& wait) {
  const auto before = Clock::now();
  wait();
  const Clock::duration wait_time = Clock::now() - before;
  waited_ += wait_time;
  stragglers_.add_wait(wait_time);
}

void DataParallel::Engine::wait_for_gradients() {
  timed([&] {
    for (auto& exchange : exchanges_) {
      for (int bucket = 0; bucket < exchange->size(); ++bucket) exchange->wait(bucket);
    }
  });
}

StepReport DataParallel::Engine::update() {
  check<UsageError>(has_gradients_, [] {
    return Complaint{"update: there are no gradients", "call compute_gradients first"};
  });
  has_gradients_ = false;
  timed([&] { summary_.wait(); });
  stragglers_.meet(summary_.times());
  check_finite();
  StepReport report{.loss = summary_.loss(), .weight = summary_.weight()};
  const std::vector<bool> used = summary_.used();
  if (is_weight_pending_ && report.weight != 0) optimizer_.scale_gradients(1 / report.weight);
  if (options_.clip_norm > 0) {
    wait_for_gradients();
    report.gradient_norm = optim::clip_gradient_norm(optimizer_, options_.clip_norm, used);
  }
  update_parameters(used);
  summary_.install_buffers();
  report.step = ++steps;
  report.seconds = std::chrono::duration<double>(Clock::now() - started_).count();
  const std::int64_t end = obs::trace_now();
  obs::record({.category = "step",
               .name = "step",
               .begin = end - static_cast<std::int64_t>(report.seconds * 1e9),
               .end = end,
               .number = report.step});
  report.waited_seconds = std::chrono::duration<double>(waited_).count();
  stragglers_.end_step(report);
  return report;
}

void DataParallel::Engine::check_finite() {
  if (!options_.requires_finite_loss || std::isfinite(summary_.loss())) return;
  wait_for_gradients();  // so that no collective is in flight while the exception passes
  for (auto& exchange : exchanges_) exchange->end_step();
  throw Error({"step " + std::to_string(steps + 1) + ": the loss is " +
                   std::to_string(summary_.loss()) + "; the weights are those after step " +
                   std::to_string(steps),
               "lower the learning rate, limit gradients with clip_norm, or look for bad samples"});
}

// Each bucket is updated as soon as its sum is there, while it is warm in the cache.
void DataParallel::Engine::update_parameters(const std::vector<bool>& used) {
  optimizer_.begin_step(used);
  for (std::size_t arena = 0; arena < exchanges_.size(); ++arena) {
    auto& exchange = *exchanges_[arena];
    for (int bucket = 0; bucket < exchange.size(); ++bucket) {
      timed([&] { exchange.wait(bucket); });
      optimizer_.update(static_cast<int>(arena), exchange.range(bucket));
    }
    exchange.end_step();
  }
  optimizer_.finish_step();
}

State DataParallel::Engine::gradients() {
  check<UsageError>(has_gradients_, [] {
    return Complaint{"gradients: there are none now",
                     "ask between compute_gradients and update; a step consumes them"};
  });
  wait_for_gradients();
  timed([&] { summary_.wait(); });
  const double scale = is_weight_pending_ ? 1 / summary_.weight() : 1;
  State copies;
  for (const auto& [name, parameter] : optimizer_.parameters()) {
    if (!parameter.requires_grad()) continue;
    const Tensor copy = empty(parameter.meta());
    kernels::backend(copy.device())
        .copy({.in = gradient(parameter).view(), .out = copy.view(), .scale = scale},
              core::current_stream(copy.device()));
    copies.emplace_back(name, copy);
  }
  return copies;
}

}  // namespace lockstep
