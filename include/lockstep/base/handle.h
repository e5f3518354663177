// One owner for every C handle: streams, file descriptors, library contexts.
#pragma once

#include <utility>

namespace lockstep {

// Traits: `type`, `static type empty()`, `static void release(type) noexcept`. A move empties the
// source.
template <class Traits> class Handle {
 public:
  using type = typename Traits::type;

  Handle() = default;
  explicit Handle(type value) : value_(value) {}
  Handle(Handle&& other) noexcept : value_(std::exchange(other.value_, Traits::empty())) {}
  Handle& operator=(Handle&& other) noexcept {
    if (this != &other) {
      reset();
      value_ = std::exchange(other.value_, Traits::empty());
    }
    return *this;
  }
  ~Handle() { reset(); }

  type value() const { return value_; }
  explicit operator bool() const { return value_ != Traits::empty(); }
  type release() { return std::exchange(value_, Traits::empty()); }
  void reset() {
    if (*this) Traits::release(std::exchange(value_, Traits::empty()));
  }

 private:
  type value_ = Traits::empty();
};

}  // namespace lockstep
