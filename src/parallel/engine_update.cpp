// The end of a step: the sums are waited for, parameters are updated and shared.
#include <algorithm>
#include <cmath>

#include "lockstep/autograd/parameter.h"
#include "lockstep/base/error.h"
#include "lockstep/kernels/registry.h"
#include "lockstep/obs/trace.h"
#include "lockstep/optim/clip.h"
#include "lockstep/tensor/create.h"
#include "src/parallel/engine.h"

namespace lockstep {
namespace {

bool has_state(const optim::Optimizer& optimizer) {
  for (const optim::Arena& arena : optimizer.arenas()) {
    if (arena.states() > 0) return true;
  }
  return false;
}

void record_trace(const StepReport& report) {
  const std::int64_t end = obs::trace_now();
  obs::record({.category = "step",
               .name = "step",
               .begin = end - static_cast<std::int64_t>(report.seconds * 1e9),
               .end = end,
               .number = report.step});
}

}  // namespace

void DataParallel::Engine::wait_for_gradients() {
  timed([&] { exchange_->wait(); });
}

StepReport DataParallel::Engine::update() {
  check<UsageError>(has_gradients_, [] {
    return Complaint{"update: there are no gradients", "call compute_gradients first"};
  });
  has_gradients_ = false;
  const auto begin = Clock::now();
  if (step_.is_fused) guard_->begin_shared_update();
  in_step([&] { timed([&] { summary_->wait(); }); });
  stragglers_->meet(summary_->times());
  check_finite();
  StepReport report{.loss = summary_->loss(), .weight = summary_->weight()};
  in_step([&] {
    finish_step(report);
    report.step = ++steps;
    tail_time_ += Clock::now() - begin;
    choose_tail();
    if (!is_laid_out_) lay_out_by_arrival();
  });
  report.seconds = std::chrono::duration<double>(Clock::now() - started_).count();
  report.waited_seconds = std::chrono::duration<double>(waited_).count();
  record_trace(report);
  stragglers_->end_step(report);
  return report;
}

void DataParallel::Engine::finish_step(StepReport& report) {
  const std::vector<bool> used = summary_->used();
  report.loss_scale = loss_scale();
  if (is_weight_pending_ && report.weight != 0) optimizer_.scale_gradients(1 / report.weight);
  if (report.loss_scale != 1) optimizer_.scale_gradients(1 / report.loss_scale);
  if (needs_norm()) report.gradient_norm = norm_of_gradients(used);
  if (optim::LossScaler* const scaler = optimizer_.loss_scaler()) {
    report.is_skipped = !std::isfinite(report.gradient_norm);
    scaler->record(!report.is_skipped);
  }
  if (report.is_skipped) return skip_update();
  if (options_.clip_norm > 0)
    optim::clip_to_norm(optimizer_, options_.clip_norm, report.gradient_norm);
  update_parameters(used);
  summary_->install_buffers();
}

void DataParallel::Engine::skip_update() {
  exchange_->end_step();
  optimizer_.discard_gradients();
  summary_->restore_buffers();
}

void DataParallel::Engine::check_finite() {
  if (!options_.requires_finite_loss || std::isfinite(summary_->loss())) return;
  // So that no collective is in flight while the exception passes.
  in_step([&] { wait_for_gradients(); });
  exchange_->end_step();
  throw Error({"step " + std::to_string(steps + 1) + ": the loss is " +
                   std::to_string(summary_->loss()) + "; the weights are those after step " +
                   std::to_string(steps),
               "lower the learning rate, limit gradients with clip_norm, or look for bad samples"});
}

// Each rank sums the squares of what it holds; nothing is added to them but zeros, so their bits
// are those of one rank that sums all.
double DataParallel::Engine::norm_of_gradients(const std::vector<bool>& used) {
  wait_for_gradients();
  optim::NormBlocks blocks(optimizer_, used);
  exchange_->each_bucket([&](int arena, parallel::BucketExchange& exchange, int bucket) {
    blocks.sum(arena, exchange.owned(bucket));
  });
  if (step_.is_fused) {
    comm::Communicator& ranks = world_.communicator();
    for (int arena = 0; arena < static_cast<int>(optimizer_.arenas().size()); ++arena) {
      const core::Buffer sums = blocks.sums(arena);
      const core::ConstBuffer mine(sums);
      timed([&] {
        ranks
            .all_reduce(comm::Partials{{&mine, 1}, ranks.size(), step_.hash}, sums,
                        comm::Reduce::sum, core::current_stream(sums.device))
            .wait();
      });
    }
  }
  return blocks.norm();
}

// Each bucket, or slice of one, is updated as soon as its sum is there, while it is warm in the
// cache.
void DataParallel::Engine::update_parameters(const std::vector<bool>& used) {
  optimizer_.begin_step(used);
  if (step_.is_fused && has_state(optimizer_)) optimizer_.declare_state_complete(false);
  exchange_->each_bucket([&](int arena, parallel::BucketExchange& exchange, int bucket) {
    timed([&] { exchange.wait(bucket); });
    optimizer_.update(arena, exchange.owned(bucket), !step_.is_fused && world_.size() > 1);
    if (!step_.is_fused) return;
    guard_->record_written(steps + 1, arena, exchange.owned(bucket));
    const optim::Arena& of = optimizer_.arenas()[static_cast<std::size_t>(arena)];
    shares_.push_back(exchange.share(of.parameters({0, of.count()}), bucket, step_.hash));
  });
  timed([&] {
    for (comm::Work& share : shares_) share.wait();
  });
  shares_.clear();
  if (step_.is_fused) guard_->end_shared_update();
  exchange_->end_step();
  optimizer_.finish_step();
}

template <class LaneOf> void DataParallel::Engine::share_slices(const LaneOf& lane_of) {
  std::vector<comm::Work> works;
  exchange_->each_bucket([&](int arena, parallel::BucketExchange& exchange, int bucket) {
    works.push_back(exchange.share(
        lane_of(optimizer_.arenas()[static_cast<std::size_t>(arena)], exchange), bucket));
  });
  for (comm::Work& work : works) work.wait();
}

void DataParallel::Engine::gather_optimizer_state() {
  if (optimizer_.is_state_complete()) return;
  int most = 0;
  for (const optim::Arena& arena : optimizer_.arenas()) most = std::max(most, arena.states());
  for (int state = 0; state < most; ++state) {
    share_slices([&](const optim::Arena& arena, parallel::BucketExchange&) {
      return arena.state(state, {0, arena.count()});
    });
  }
  optimizer_.declare_state_complete(true);
}

void DataParallel::Engine::choose_tail() {
  if (!tail_.record(std::chrono::duration<double>(tail_time_).count())) return;
  const std::span<double> times = tail_.times();
  const core::Buffer buffer{
      times.data(), static_cast<std::int64_t>(times.size()), DType::f64, {}, {}};
  world_.communicator()
      .all_reduce(buffer, buffer, comm::Reduce::max, core::current_stream({}))
      .wait();
  tail_.decide();
  if (!tail_.is_fused()) gather_optimizer_state();
}

State DataParallel::Engine::gradients() {
  check<UsageError>(has_gradients_, [] {
    return Complaint{"gradients: there are none now",
                     "ask between compute_gradients and update; a step consumes them"};
  });
  in_step([&] {
    wait_for_gradients();
    timed([&] { summary_->wait(); });
    if (step_.is_fused) {
      share_slices([](const optim::Arena&, parallel::BucketExchange& exchange) {
        return exchange.gradients();
      });
    }
  });
  const double scale = 1 / (loss_scale() * (is_weight_pending_ ? summary_->weight() : 1));
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
