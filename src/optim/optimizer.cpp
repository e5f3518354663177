#include "lockstep/optim/optimizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <unordered_set>

#include "lockstep/autograd/backward.h"
#include "lockstep/autograd/parameter.h"
#include "lockstep/autograd/shadow.h"
#include "lockstep/base/error.h"
#include "lockstep/kernels/recorder.h"
#include "lockstep/kernels/registry.h"
#include "lockstep/optim/clip.h"
#include "lockstep/tensor/create.h"
#include "src/optim/check_constant.h"

namespace lockstep::optim {

namespace {

using Entries = std::vector<ArenaEntry>;

void check_names(const State& parameters) {
  check<UsageError>(!parameters.empty(), [] {
    return Complaint{"optimizer: no parameters", "give it model.parameters()"};
  });
  std::unordered_set<std::string> names;
  for (const auto& named : parameters) {
    const std::string& name = named.first;
    const Tensor& parameter = named.second;
    check<UsageError>(parameter.is_defined(), [&] {
      return Complaint{fmt::format("optimizer: parameter '{}' is undefined", name),
                       "give tensors that have elements, such as model.parameters()"};
    });
    check<UsageError>(!parameter.requires_grad() || is_leaf(parameter), [&] {
      return Complaint{fmt::format("optimizer: parameter '{}' is the result of an operation", name),
                       "give leaves of the tape, such as model.parameters()"};
    });
    check<UsageError>(names.insert(name).second, [&] {
      return Complaint{fmt::format("optimizer: two parameters are called '{}'", name),
                       "give each a name of its own: a prefix for each module"};
    });
  }
}

// Where the entry goes: the list of its dtype and device.
Entries& entries_for(const Tensor& parameter, std::vector<Entries>& lists) {
  for (Entries& entries : lists) {
    const Tensor& first = entries.front().parameter;
    if (first.dtype() == parameter.dtype() && first.device() == parameter.device()) return entries;
  }
  return lists.emplace_back();
}

bool computes_in_f16(const State& parameters) {
  return std::any_of(parameters.begin(), parameters.end(), [](const auto& named) {
    const Shared<Shadow>& shadow = named.second.shadow();
    return shadow && shadow->dtype == DType::f16;
  });
}

}  // namespace

ParameterGroups one_group(State parameters) {
  ParameterGroups groups;
  groups.push_back({std::move(parameters), {}});
  return groups;
}

Optimizer::Optimizer(const ParameterGroups& groups, double lr, kernels::OpId rule,
                     std::vector<std::string> state_names)
    : rule_(rule), state_names_(std::move(state_names)) {
  for (const ParameterGroup& group : groups) {
    parameters_.insert(parameters_.end(), group.parameters.begin(), group.parameters.end());
  }
  check_names(parameters_);
  std::vector<Entries> lists;
  int position = 0;
  for (const ParameterGroup& group : groups) {
    check_constant("optimizer", "lr_scale", group.options.lr_scale, 0, unbounded);
    check_constant("optimizer", "weight_decay", group.options.weight_decay.value_or(0), 0,
                   unbounded);
    for (const auto& [name, parameter] : group.parameters) {
      Segment segment{
          .name = name, .parameter = position++, .group = static_cast<int>(groups_.size())};
      segment.no_decay = !group.options.decays_vectors && parameter.rank() <= 1;
      entries_for(parameter, lists).push_back({std::move(segment), parameter});
    }
    groups_.push_back(group.options);
  }
  for (Entries& entries : lists)
    arenas_.emplace_back(std::move(entries), static_cast<int>(state_names_.size()));
  learning_rate_ = full({1}, lr, {.dtype = DType::f64});
  steps_ = zeros({position}, {.dtype = DType::i64});
  scalars_.resize(parameters_.size());
  use_learning_rate(lr);
  if (computes_in_f16(parameters_)) scale_losses();
}

double Optimizer::learning_rate() const { return *learning_rate_.data<double>(); }

void Optimizer::use_learning_rate(double rate) {
  check_constant("optimizer", "learning rate", rate, 0, unbounded);
  *learning_rate_.data<double>() = rate;
}

std::int64_t* Optimizer::step_counts() const { return steps_.data<std::int64_t>(); }

std::int64_t Optimizer::steps() const {
  return *std::max_element(step_counts(), step_counts() + steps_.elements());
}

std::vector<bool> Optimizer::with_gradient() const {
  std::vector<bool> result;
  for (const auto& [name, parameter] : parameters_) {
    result.push_back(is_leaf(parameter) && has_gradient(parameter));
  }
  return result;
}

// The gradients are divided by the scale that they were made with.
void Optimizer::backward(const Tensor& loss) {
  if (!loss_scaler_) return lockstep::backward(loss);
  const double scale = loss_scaler_->scale();
  lockstep::backward(loss,
                     full(loss.shape(), scale, {.dtype = loss.dtype(), .device = loss.device()}));
  if (!is_loss_scaled_) scale_gradients(1 / scale);
  is_loss_scaled_ = true;
}

bool Optimizer::step() {
  if (loss_scaler_) {
    check<UsageError>(is_loss_scaled_, [] {
      return Complaint{"optimizer: step() with a loss scaler, and gradients of an unscaled loss",
                       "call the optimizer's backward(loss) in place of lockstep::backward"};
    });
    const bool is_finite = std::isfinite(gradient_norm(*this));
    loss_scaler_->record(is_finite);
    if (!is_finite) {
      discard_gradients();
      return false;
    }
  }
  begin_step();
  for (std::size_t i = 0; i < arenas_.size(); ++i)
    update(static_cast<int>(i), {0, arenas_[i].count()});
  finish_step();
  return true;
}

std::optional<DType> Optimizer::half_precision() const {
  for (const auto& [name, parameter] : parameters_) {
    if (parameter.shadow()) return parameter.shadow()->dtype;
  }
  return std::nullopt;
}

void Optimizer::begin_step() { begin_step(with_gradient()); }

void Optimizer::begin_step(const std::vector<bool>& takes_part) {
  kernels::check_unrecorded("an optimizer's step", "it counts on the host");
  check<UsageError>(takes_part_.empty(), [] {
    return Complaint{"optimizer: a step begins before the last one was finished",
                     "call finish_step() first"};
  });
  check<UsageError>(takes_part.size() == parameters_.size(), [&] {
    return Complaint{
        fmt::format("optimizer: {} flags for {} parameters", takes_part.size(), parameters_.size()),
        "give one for each of parameters()"};
  });
  check<UsageError>(loss_scaler_ || !computes_in_f16(parameters_), [] {
    return Complaint{"optimizer: layers compute in f16, and nothing scales the loss",
                     "call compute_in before the optimizer is made, or scale_losses"};
  });
  takes_part_ = takes_part;
  updated_.assign(takes_part.size(), 0);
  for (Arena& arena : arenas_) {
    arena.gather_gradients();
    arena.gather_shadows();
    for (std::size_t i = 0; i < arena.segments().size(); ++i) {
      const auto parameter = static_cast<std::size_t>(arena.segments()[i].parameter);
      if (arena.is_frozen(static_cast<int>(i))) takes_part_[parameter] = false;
      if (takes_part_[parameter]) write_scalars(arena.segments()[i]);
    }
  }
}

void Optimizer::write_scalars(const Segment& segment) {
  const GroupOptions& group = groups_[static_cast<std::size_t>(segment.group)];
  kernels::UpdateScalars scalars = constants();
  scalars.learning_rate = learning_rate() * group.lr_scale;
  scalars.weight_decay = segment.no_decay ? 0 : group.weight_decay.value_or(scalars.weight_decay);
  scalars.step = ++step_counts()[segment.parameter];
  scalars_[static_cast<std::size_t>(segment.parameter)] = scalars;
}

// Neighbours that are updated with the same numbers become one kernel call, padding included.
void Optimizer::update(int arena_index, core::Range range, bool is_from_peers) {
  check<UsageError>(!takes_part_.empty(), [] {
    return Complaint{"optimizer: update() outside a step", "call begin_step() first"};
  });
  const Arena& arena = arenas_.at(static_cast<std::size_t>(arena_index));
  const auto& segments = arena.segments();
  const auto& layout = arena.layout();
  const auto ends_before = [&](std::int64_t begin, int s) {
    return begin < segments[static_cast<std::size_t>(s)].range().end;
  };
  auto next = std::upper_bound(layout.begin(), layout.end(), range.begin, ends_before);
  core::Range run;
  const Segment* head = nullptr;
  for (; next != layout.end(); ++next) {
    const Segment& segment = segments[static_cast<std::size_t>(*next)];
    if (segment.offset >= range.end) break;
    const bool is_used = takes_part_[static_cast<std::size_t>(segment.parameter)];
    const core::Range piece = {std::max(range.begin, segment.offset),
                               std::min(range.end, segment.range().end)};
    updated_[static_cast<std::size_t>(segment.parameter)] += piece.count();
    if (head != nullptr && is_used && is_updated_alike(*head, segment)) {
      run.end = piece.end;
      continue;
    }
    if (head != nullptr) update_run(arena, run, *head, is_from_peers);
    head = is_used ? &segment : nullptr;
    run = piece;
  }
  if (head != nullptr) update_run(arena, run, *head, is_from_peers);
}

bool Optimizer::is_updated_alike(const Segment& a, const Segment& b) const {
  return a.group == b.group && a.no_decay == b.no_decay &&
         step_counts()[a.parameter] == step_counts()[b.parameter];
}

void Optimizer::update_run(const Arena& arena, core::Range run, const Segment& head,
                           bool is_from_peers) {
  kernels::UpdateScalars& scalars = scalars_[static_cast<std::size_t>(head.parameter)];
  scalars.gradient_scale = gradient_scale_;
  kernels::UpdateCall call{.rule = rule_, .count = run.count(), .dtype = arena.dtype()};
  call.parameter = arena.parameters(run).data;
  call.gradient = arena.gradients(run).data;
  for (int i = 0; i < arena.states(); ++i) call.state[i] = arena.state(i, run).data;
  const core::Buffer shadow = arena.shadows(run);
  call.shadow = shadow.data;
  call.shadow_dtype = shadow.dtype;
  call.scalars = &scalars;
  call.claims_gradient = is_from_peers;
  kernels::backend(arena.device()).update(call, core::current_stream(arena.device()));
}

void Optimizer::finish_step() {
  for (std::size_t i = 0; i < takes_part_.size(); ++i) {
    if (takes_part_[i]) parameters_[i].second.mark_mutated();
  }
  declare_shadows_current();
  takes_part_.clear();
  discard_gradients();
}

// Those whose parameters were updated here from end to end; the others are made anew when they are
// wanted.
void Optimizer::declare_shadows_current() {
  for (const Arena& arena : arenas_) {
    for (int i = 0; i < static_cast<int>(arena.segments().size()); ++i) {
      const Segment& segment = arena.segments()[static_cast<std::size_t>(i)];
      const auto parameter = static_cast<std::size_t>(segment.parameter);
      const bool is_complete = takes_part_[parameter] && updated_[parameter] == segment.count;
      if (is_complete && arena.has_shadow_in_lane(i)) declare_shadow_current(arena.parameter(i));
    }
  }
}

void Optimizer::discard_gradients() {
  for (const auto& [name, parameter] : parameters_) {
    if (is_leaf(parameter)) consume_gradient(parameter);
  }
  gradient_scale_ = 1;
  is_loss_scaled_ = false;
}

State Optimizer::state() const {
  check<UsageError>(is_state_complete_, [] {
    return Complaint{
        "optimizer: state() while each rank holds the current state of its own elements only",
        "call DataParallel::gather_optimizer_state() on all ranks first"};
  });
  return state_places();
}

State Optimizer::state_places() const {
  State state = {{"learning_rate", learning_rate_}, {"steps", steps_}};
  if (loss_scaler_) {
    for (auto& named : loss_scaler_->state()) state.push_back(std::move(named));
  }
  for (const Arena& arena : arenas_) {
    for (std::size_t i = 0; i < arena.segments().size(); ++i) {
      for (std::size_t k = 0; k < state_names_.size(); ++k) {
        state.emplace_back(state_names_[k] + "." + arena.segments()[i].name,
                           arena.state_of(static_cast<int>(i), static_cast<int>(k)));
      }
    }
  }
  return state;
}

void Optimizer::load_state(const State& from) {
  lockstep::load_state(state_places(), from);
  is_state_complete_ = true;
}

}  // namespace lockstep::optim
