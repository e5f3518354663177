// Lists of op types: an op's id is its position, and a backend's dispatch table is a loop over the
// list.
#pragma once

#include <cstddef>
#include <string_view>
#include <type_traits>
#include <utility>

#include "lockstep/kernels/calls.h"

namespace lockstep::kernels {

template <class... Ops> struct OpList {
  static constexpr std::size_t size = sizeof...(Ops);

  template <class Op> static constexpr OpId id_of() {
    OpId id = 0;
    const bool is_found = ((std::is_same_v<Op, Ops> || (++id, false)) || ...);
    return is_found ? id : OpId{-1};
  }
  // Calls f.template operator()<Op>() with the op at `id`.
  template <class F> static constexpr void with(OpId id, F&& f) {
    OpId position = 0;
    (void)((position++ == id ? (f.template operator()<Ops>(), true) : false) || ...);
  }
  static constexpr std::string_view name_of(OpId id) {
    std::string_view name;
    with(id, [&]<class Op>() { name = Op::name; });
    return name;
  }
};

}  // namespace lockstep::kernels
