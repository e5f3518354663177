#include "lockstep/comm/work.h"

#include <exception>
#include <utility>

#include "src/comm/flight.h"

namespace lockstep::comm {

Work::Work(std::shared_ptr<Flight> flight)
    : flight_(std::move(flight)), exceptions_(std::uncaught_exceptions()) {}

Work::Work(Work&& other) noexcept
    : flight_(std::move(other.flight_)), exceptions_(other.exceptions_) {}

Work& Work::operator=(Work&& other) noexcept {
  if (this != &other) {
    finish_quietly();
    flight_ = std::move(other.flight_);
    exceptions_ = other.exceptions_;
  }
  return *this;
}

Work::~Work() { finish_quietly(); }

bool Work::done() const {
  if (!flight_ || flight_->is_finished) return true;
  if (flight_->home != nullptr) flight_->home->poll();
  return flight_->is_finished;
}

void Work::then(core::Stream& /*stream*/) { wait(); }

void Work::wait() {
  if (!flight_ || flight_->is_finished) return;
  const Call& call = flight_->calls.front();
  lockstep::check<CommError>(
      flight_->home != nullptr,
      [&] {
        return Complaint{
            call.description() + " was not finished when its communicator was destroyed",
            "wait for every Work before the communicator goes"};
      },
      call.site);
  flight_->home->wait(*flight_);
}

void Work::finish_quietly() noexcept {
  if (!flight_ || flight_->is_finished || flight_->home == nullptr) return;
  Communicator& home = *flight_->home;
  if (home.is_poisoned()) return;
  if (std::uncaught_exceptions() > exceptions_) {
    home.poison("an exception passed " + flight_->calls.front().description(),
                flight_->calls.front().site);
    return;
  }
  try {
    home.wait(*flight_);
  } catch (...) {
    // The communicator is poisoned now; its next call throws what was thrown here.
  }
}

}  // namespace lockstep::comm
