// Runs what must fail, and gives the error to look at.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "lockstep/base/error.h"

namespace lockstep::tests {

// The E that `action` throws; without one the test fails and the texts are empty.
template <class E, class Action> E failure_of(Action&& action) {
  try {
    action();
  } catch (const E& error) {
    return error;
  } catch (const std::exception& error) {
    ADD_FAILURE() << "another exception: " << error.what();
    return E({"", ""});
  }
  ADD_FAILURE() << "no exception";
  return E({"", ""});
}

// The whole text of the E that `action` throws.
template <class E = Error, class Action> std::string message_of(Action&& action) {
  return failure_of<E>(std::forward<Action>(action)).what();
}

}  // namespace lockstep::tests
