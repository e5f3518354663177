#include "src/parallel/engine.h"

#include <cstring>
#include <exception>

#include "lockstep/autograd/backward.h"
#include "lockstep/autograd/parameter.h"
#include "lockstep/base/error.h"
#include "lockstep/core/random.h"
#include "lockstep/obs/activity.h"
#include "lockstep/tensor/create.h"

namespace lockstep {
namespace {

void clear_segment(const optim::Arena& arena, const optim::Segment& segment) {
  const core::Buffer place = arena.gradients(segment.padded(arena.dtype()));
  std::memset(place.data, 0, place.bytes());
}

// What the exception being handled complains about.
std::string current_problem() {
  try {
    throw;
  } catch (const Error& error) {
    return error.problem();
  } catch (const std::exception& error) {
    return error.what();
  } catch (...) {
    return "something that is not a std::exception";
  }
}

}  // namespace

void parallel::check_loss(const Tensor& loss) {
  check<ShapeError>(loss.is_defined() && loss.elements() == 1, [&] {
    return Complaint{
        "step: the loss has shape " + (loss.is_defined() ? to_string(loss.shape()) : "(undefined)"),
        "return the mean loss over the part, one number"};
  });
}

// A rank that is alone may go on: nobody has gone on without it.
void DataParallel::Engine::fail() noexcept {
  has_gradients_ = false;
  if (world_.size() == 1) return;
  failed_step_ = steps + 1;
  try {
    world_.communicator().poison("step " + std::to_string(failed_step_) +
                                 " ended in the middle on rank " + std::to_string(world_.rank()) +
                                 ": " + current_problem());
  } catch (...) {
    world_.communicator().poison("a step ended in the middle");
  }
}

void DataParallel::Engine::check_task(const Task& task) const {
  check<UsageError>(failed_step_ == 0, [&] {
    return Complaint{"step: step " + std::to_string(failed_step_) +
                         " ended in the middle with an exception, so the ranks are apart",
                     "let the exception end the program, and go on from its last checkpoint"};
  });
  check<UsageError>(task.parts == shards_.count(), [&] {
    return Complaint{"step: a batch of " + std::to_string(task.parts) +
                         " parts on a rank that owns " + std::to_string(shards_.count()) +
                         " shards",
                     "give the loader this world's shards()"};
  });
  check<UsageError>(!task.batch_weight || *task.batch_weight > 0, [] {
    return Complaint{"step: a batch of 0 samples", "give every step at least one sample"};
  });
  check<UsageError>(!has_collective_layers_ || task.samples >= shards_.total, [&] {
    return Complaint{"step: a batch of " + std::to_string(task.samples) + " samples for " +
                         std::to_string(shards_.total) +
                         " shards, and a SyncBatchNorm, which every shard must pass together",
                     "choose a batch size that leaves no rest so small, or use nn::BatchNorm"};
  });
}

void DataParallel::Engine::begin_step() {
  if (has_gradients_) {  // of an earlier call, which nobody wants
    wait_for_gradients();
    summary_->wait();
  }
  has_gradients_ = false;
  if (!exchange_->is_plan_current()) plan();
  step_.is_fused = tail_.is_fused();
  const std::uint64_t facts = 2 * static_cast<std::uint64_t>(steps) + (step_.is_fused ? 1 : 0);
  step_.hash = (exchange_->plan_hash() ^ (facts * 0x9e3779b97f4a7c15U)) | 1U;
  world_.communicator().begin_plan(step_.hash);
  exchange_->begin_step(step_);
  summary_->begin_step();
  optimizer_.discard_gradients();
}

void DataParallel::Engine::compute(const Task& task, const ShardLoss& loss) {
  check_task(task);
  started_ = Clock::now();
  waited_ = {};
  stragglers_->begin_step();
  // Replicas that differ are an error on all ranks alike, which leaves none of them behind.
  timed([&] { guard_->begin_step(steps + 1); });
  in_step([&] {
    begin_step();
    for (int shard = 0; shard < task.parts; ++shard) compute_shard(shard, task, loss);
    const auto begin = Clock::now();
    if (task.parts == 0) record_used_parameters();
    exchange_->flush();
    summary_->record_times(stragglers_->arrive());
    summary_->start(task.parts == 0 ? 0 : schedule_.additions.back(), step_.hash);
    tail_time_ = exchange_->spent() + (Clock::now() - begin);
  });
  is_weight_pending_ = !task.batch_weight;
  has_gradients_ = true;
}

void DataParallel::Engine::compute_shard(int index, const Task& task, const ShardLoss& loss) {
  const core::RandomScope keys(options_.seed, static_cast<std::uint32_t>(steps + 1),
                               static_cast<std::uint32_t>(shards_.first + index));
  const bool is_last = index + 1 == shards_.count();
  const bool is_exact = options_.mode == SumMode::lockstep;
  const int additions = schedule_.additions[static_cast<std::size_t>(index)];
  summary_->begin_shard();
  if (is_exact) optimizer_.discard_gradients();
  exchange_->begin_shard(additions, is_last);
  const obs::Activity activity("step.compute");
  if (captured_) {
    replay_shard(index, task, loss);
  } else if (const auto computed = loss(index)) {
    backward_from(*computed, task.batch_weight);
  }
  if (is_exact || is_last) record_used_parameters();
  summary_->end_shard();
  if (is_last) return;
  summary_->finish_shard(additions);
  exchange_->finish_shard();
}

void DataParallel::Engine::backward_from(const WeightedLoss& computed,
                                         std::optional<double> batch_weight) {
  const Tensor& loss = computed.loss;
  parallel::check_loss(loss);
  summary_->record_loss(loss.item(), computed.weight);
  const double seed = loss_scale() * computed.weight / batch_weight.value_or(1);
  backward(loss, full(loss.shape(), seed, {.dtype = loss.dtype(), .device = loss.device()}));
}

// The seed of backward depends on the batch, so the recorded calls read it as one more input.
void DataParallel::Engine::replay_shard(int index, const Task& task, const ShardLoss& loss) {
  auto [count, inputs] = task.inputs_of(index);
  if (count == 0) return;
  check<UsageError>(!inputs.empty() && task.batch_weight, [] {
    return Complaint{
        "capture: the loss has a weight of its own, or the batch's parts have no "
        "tensors x and y, so that a replay would not see what changes",
        "return the mean loss over a part with x and y, or do without capture"};
  });
  const auto weight = static_cast<double>(count);
  inputs.push_back(scalar(loss_scale() * weight / *task.batch_weight, {.dtype = DType::f64}));
  shard_loss_ = [&] { return loss(index)->loss; };
  const Tensor value = captured_->call(inputs);
  shard_loss_ = nullptr;
  summary_->record_loss(value.item(), weight);
}

void DataParallel::Engine::record_used_parameters() {
  const std::vector<bool> has_gradient = optimizer_.with_gradient();
  for (std::size_t i = 0; i < has_gradient.size(); ++i) {
    if (has_gradient[i]) summary_->record_used(i);
  }
  for (const optim::Arena& arena : optimizer_.arenas()) {
    for (std::size_t i = 0; i < arena.segments().size(); ++i) {
      const optim::Segment& segment = arena.segments()[i];
      const bool is_summed = !arena.is_frozen(static_cast<int>(i));
      if (is_summed && !has_gradient[static_cast<std::size_t>(segment.parameter)])
        clear_segment(arena, segment);
    }
  }
}

}  // namespace lockstep
