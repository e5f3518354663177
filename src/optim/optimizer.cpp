#include "lockstep/optim/optimizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <unordered_set>

#include "lockstep/autograd/parameter.h"
#include "lockstep/base/error.h"
#include "lockstep/kernels/recorder.h"
#include "lockstep/kernels/registry.h"
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

void Optimizer::step() {
  begin_step();
  for (std::size_t i = 0; i < arenas_.size(); ++i)
    update(static_cast<int>(i), {0, arenas_[i].count()});
  finish_step();
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
  takes_part_ = takes_part;
  for (Arena& arena : arenas_) {
    arena.gather_gradients();
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
  call.scalars = &scalars;
  call.claims_gradient = is_from_peers;
  kernels::backend(arena.device()).update(call, core::current_stream(arena.device()));
}

void Optimizer::finish_step() {
  for (std::size_t i = 0; i < takes_part_.size(); ++i) {
    if (takes_part_[i]) parameters_[i].second.mark_mutated();
  }
  takes_part_.clear();
  discard_gradients();
}

void Optimizer::discard_gradients() {
  for (const auto& [name, parameter] : parameters_) {
    if (is_leaf(parameter)) consume_gradient(parameter);
  }
  gradient_scale_ = 1;
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
