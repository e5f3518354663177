// A function on tensors that is recorded once and then replayed without what its operations cost
// besides their kernels.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "lockstep/kernels/recorder.h"
#include "lockstep/tensor/tensor.h"

namespace lockstep {

// The first call with tensors of some shapes, strides and dtypes runs `function` and records its
// kernel calls; the next such call replays them on the tensors that it is given, with the same bits
// as the function itself. A backward inside the function is recorded too. Everything that is no
// operation on tensors runs only when recording: printing, counters, a choice by train() or eval().
// UsageError where the function cannot be replayed, say because it reads an element on the host.
class Captured {
 public:
  using Function = std::function<Tensor(std::span<const Tensor>)>;

  // `function` takes one to three tensors, or a std::span<const Tensor>, and returns a tensor.
  template <class F>
  explicit Captured(F function, int most_recordings = 8)
      : Captured(Function(on_span(std::move(function))), most_recordings) {}
  explicit Captured(Function function, int most_recordings = 8);

  // The result is off the tape, and a tensor of its own: later calls do not change it.
  template <class... In> Tensor operator()(const In&... in) {
    const Tensor inputs[] = {in...};
    return call(inputs);
  }
  Tensor call(std::span<const Tensor> inputs);

  // Records anew at the next call: after train() or eval(), or a change of what the function does.
  void forget() { recordings_.clear(); }
  // How many recordings there are; beyond the most, the oldest makes room.
  int recordings() const { return static_cast<int>(recordings_.size()); }

 private:
  struct Entry {
    std::unique_ptr<kernels::Recording> recording;
    Tensor result;
  };
  Entry record(std::span<const Tensor> inputs, std::span<const View> views) const;
  static void check_count(std::size_t given, std::size_t taken);

  template <class F> static auto on_span(F f) {
    return [f = std::move(f)](std::span<const Tensor> in) mutable -> Tensor {
      const auto with = [&]<std::size_t... I>(std::index_sequence<I...>) {
        check_count(in.size(), sizeof...(I));
        return f(in[I]...);
      };
      if constexpr (std::is_invocable_v<F&, std::span<const Tensor>>) {
        return f(in);
      } else if constexpr (std::is_invocable_v<F&, const Tensor&>) {
        return with(std::make_index_sequence<1>());
      } else if constexpr (std::is_invocable_v<F&, const Tensor&, const Tensor&>) {
        return with(std::make_index_sequence<2>());
      } else {
        return with(std::make_index_sequence<3>());
      }
    };
  }

  Function function_;
  std::size_t most_recordings_;
  std::vector<Entry> recordings_;
};

}  // namespace lockstep
