// Every optimizer's update of one element: published formulas, one pass over parameter, gradient
// and state.
#pragma once

#include <cmath>

#include "kernels/math/hd.h"
#include "kernels/math/op_list.h"

namespace lockstep::kernels::math {

// A rule has `states`, Constants<A> (made once a call from the scalars), and
// update(parameter, scaled gradient, state..., constants). With `least_states` below it, the last
// state may be null where the scalars leave it unused: needs_last_state(scalars) tells.

// Stochastic gradient descent with momentum and Nesterov's form (Sutskever et al., 2013), as
// PyTorch states it: the buffer starts as the first gradient. state[0]: momentum buffer (unused
// without momentum).
struct Sgd {
  static constexpr const char* name = "sgd";
  static constexpr int states = 1;
  static constexpr int least_states = 0;

  template <class A> struct Constants {
    A rate, decay, kept, taken, ahead, behind;

    explicit Constants(const UpdateScalars& s)
        : rate(A(s.learning_rate)),
          decay(A(s.weight_decay)),
          kept(s.step == 1 ? A(0) : A(s.momentum)),
          taken(s.step == 1 ? A(1) : A(1 - s.dampening)),
          ahead(s.nesterov ? A(1) : A(0)),
          behind(s.nesterov ? A(s.momentum) : A(1)) {}
  };
  static bool needs_last_state(const UpdateScalars& s) { return s.momentum != 0; }

  template <class A> LS_HD static void update(A& parameter, A gradient, const Constants<A>& c) {
    parameter -= c.rate * (gradient + c.decay * parameter);
  }
  template <class A>
  LS_HD static void update(A& parameter, A gradient, A& buffer, const Constants<A>& c) {
    const A full = gradient + c.decay * parameter;
    buffer = c.kept * buffer + c.taken * full;
    parameter -= c.rate * (c.ahead * full + c.behind * buffer);
  }
};

// Adam with decoupled weight decay (Loshchilov, Hutter, 2019). state[0]: first moment, state[1]:
// second moment.
struct AdamW {
  static constexpr const char* name = "adamw";
  static constexpr int states = 2;
  static constexpr int least_states = 2;

  template <class A> struct Constants {
    A decay, beta1, beta2, rest1, rest2, rate, unbias, epsilon;

    explicit Constants(const UpdateScalars& s)
        : decay(A(s.learning_rate * s.weight_decay)),  // 1 - it would lose its digits in f32
          beta1(A(s.beta1)),
          beta2(A(s.beta2)),
          rest1(A(1 - s.beta1)),
          rest2(A(1 - s.beta2)),
          rate(A(s.learning_rate / (1 - std::pow(s.beta1, double(s.step))))),
          unbias(A(1 / std::sqrt(1 - std::pow(s.beta2, double(s.step))))),
          epsilon(A(s.epsilon)) {}
  };
  template <class A>
  LS_HD static void update(A& parameter, A gradient, A& first, A& second, const Constants<A>& c) {
    first = c.beta1 * first + c.rest1 * gradient;
    second = c.beta2 * second + c.rest2 * gradient * gradient;
    parameter -= c.decay * parameter + c.rate * first / (std::sqrt(second) * c.unbias + c.epsilon);
  }
};

// Adam (Kingma, Ba, 2015), with weight decay as a part of the gradient. States as AdamW's.
struct Adam {
  static constexpr const char* name = "adam";
  static constexpr int states = 2;
  static constexpr int least_states = 2;

  template <class A> struct Constants {
    A decay;
    AdamW::Constants<A> rest;

    explicit Constants(const UpdateScalars& s) : decay(A(s.weight_decay)), rest(undecayed(s)) {}
    static UpdateScalars undecayed(UpdateScalars s) {
      s.weight_decay = 0;
      return s;
    }
  };

  template <class A>
  LS_HD static void update(A& parameter, A gradient, A& first, A& second, const Constants<A>& c) {
    AdamW::update(parameter, gradient + c.decay * parameter, first, second, c.rest);
  }
};

// RMSprop (Hinton, 2012), as PyTorch states it. state[0]: running mean of squares, by beta2;
// state[1]: momentum buffer (unused without momentum).
struct RmsProp {
  static constexpr const char* name = "rmsprop";
  static constexpr int states = 2;
  static constexpr int least_states = 1;

  template <class A> struct Constants {
    A rate, decay, kept, taken, momentum, epsilon;

    explicit Constants(const UpdateScalars& s)
        : rate(A(s.learning_rate)),
          decay(A(s.weight_decay)),
          kept(A(s.beta2)),
          taken(A(1 - s.beta2)),
          momentum(A(s.momentum)),
          epsilon(A(s.epsilon)) {}
  };
  static bool needs_last_state(const UpdateScalars& s) { return s.momentum != 0; }

  template <class A>
  LS_HD static void update(A& parameter, A gradient, A& square, const Constants<A>& c) {
    parameter -= c.rate * scaled(parameter, gradient, square, c);
  }
  template <class A>
  LS_HD static void update(A& parameter, A gradient, A& square, A& buffer, const Constants<A>& c) {
    buffer = c.momentum * buffer + scaled(parameter, gradient, square, c);
    parameter -= c.rate * buffer;
  }

 private:
  template <class A>
  LS_HD static A scaled(A parameter, A gradient, A& square, const Constants<A>& c) {
    const A full = gradient + c.decay * parameter;
    square = c.kept * square + c.taken * full * full;
    return full / (std::sqrt(square) + c.epsilon);
  }
};

using Updates = OpList<Sgd, AdamW, Adam, RmsProp>;

}  // namespace lockstep::kernels::math
