#include "src/comm/control_hub.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>

namespace lockstep::comm {
namespace {

using namespace std::chrono_literals;

constexpr auto time_to_say_hello = 10s;
constexpr std::size_t most_strangers = 256;
constexpr auto time_for_statuses = 300ms;
// How long a failure that followed another one waits for that one's own words.
constexpr auto time_for_the_first = 250ms;

// The first line of an error's text: what happened.
std::string summary(const std::string& text) { return text.substr(0, text.find('\n')); }

}  // namespace

ControlHub::ControlHub(FileDescriptor listener, std::string token, int ranks)
    : listener_(std::move(listener)), token_(std::move(token)) {
  ranks_.resize(static_cast<std::size_t>(ranks));
}

void ControlHub::append_to(std::vector<pollfd>& wanted) const {
  const auto append = [&](const ControlLink& link) {
    if (!link.is_open()) return;
    const int events = link.has_unsent() ? POLLIN | POLLOUT : POLLIN;
    wanted.push_back({link.descriptor(), static_cast<short>(events), 0});
  };
  wanted.push_back({listener_.value(), POLLIN, 0});
  for (const Stranger& each : strangers_) append(each.link);
  for (const Rank& each : ranks_) append(each.link);
}

void ControlHub::serve(Clock::time_point now) {
  accept_strangers(now);
  admit_strangers(now);
  for (int rank = 0; rank < size(); ++rank) hear(rank, now);
  answer_questions(now);
  if (candidate_ && !cause_ && now >= decision_due_) decide(*candidate_);
}

void ControlHub::accept_strangers(Clock::time_point now) {
  while (true) {
    FileDescriptor socket(
        ::accept4(listener_.value(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      return;
    }
    if (strangers_.size() < most_strangers)
      strangers_.push_back({ControlLink(std::move(socket)), now});
  }
}

// A stranger becomes a rank by the job's token; anyone else is shown out.
void ControlHub::admit_strangers(Clock::time_point now) {
  for (Stranger& each : strangers_) {
    auto frames = each.link.receive();
    if (frames.empty()) {
      if (now - each.since > time_to_say_hello) each.link.close();
      continue;
    }
    const Frame hello = frames.front();
    const bool is_rank = hello.kind == Frame::Kind::hello && hello.text == token_ &&
                         hello.rank >= 0 && hello.rank < size() && !at(hello.rank).was_connected;
    if (!is_rank) {
      each.link.close();
      continue;
    }
    Rank& rank = at(hello.rank);
    rank.link = std::move(each.link);
    each.link = {};
    rank.was_connected = true;
    rank.heard = now;
    rank.link.send({Frame::Kind::ask});  // tells it that it is in
    if (cause_) rank.link.send(ending());
    for (std::size_t i = 1; i < frames.size(); ++i) take(hello.rank, frames[i], now);
    if (!rank.link.is_open()) mourn(hello.rank, now);
  }
  std::erase_if(strangers_, [](const Stranger& each) { return !each.link.is_open(); });
}

void ControlHub::hear(int rank, Clock::time_point now) {
  Rank& each = at(rank);
  if (!each.link.is_open()) return;
  each.link.flush();
  for (const Frame& frame : each.link.receive()) take(rank, frame, now);
  if (!each.link.is_open()) mourn(rank, now);
}

void ControlHub::take(int rank, const Frame& frame, Clock::time_point now) {
  Rank& from = at(rank);
  from.heard = now;
  switch (frame.kind) {
    case Frame::Kind::status:
      from.status = status_from(frame.text);
      return;
    case Frame::Kind::question:
      if (const auto question = question_from(frame.text)) {
        questions_.push_back({rank, *question, now, now + time_for_statuses});
        for (Rank& each : ranks_) each.link.send({Frame::Kind::ask});
      }
      return;
    case Frame::Kind::suspicion:
      if (from.suspicion.empty()) from.suspicion = frame.text;
      return;
    case Frame::Kind::failure:
    case Frame::Kind::consequence:
      waiting_.push_back(rank);
      return consider({rank, frame.text, true, frame.kind == Frame::Kind::consequence}, now);
    case Frame::Kind::goodbye:
      from.has_left = true;
      return;
    default:
      return;  // the hub's own words
  }
}

// A link that broke without a goodbye is a process that died.
void ControlHub::mourn(int rank, Clock::time_point now) {
  if (at(rank).has_left || cause_) return;
  if (candidate_ && candidate_->rank == rank) return;  // it has said why before
  consider({rank, obituary(rank, now), false}, now);
}

std::string ControlHub::obituary(int rank, Clock::time_point now) const {
  const RankView view = view_of(rank, now);
  const std::string& suspicion = ranks_[static_cast<std::size_t>(rank)].suspicion;
  const std::string last = last_op_of(view);
  return fmt::format(
      "{} {}{}\n  where: rank {} of {}{}\n  fix:   look for its own last words above; else a "
      "signal "
      "(the launcher names it), the out-of-memory killer (dmesg), or a call of exit()",
      name_of(view, rank), suspicion.empty() ? "died" : "left the job: ", summary(suspicion), rank,
      size(), last.empty() ? "" : ", " + last);
}

void ControlHub::answer_questions(Clock::time_point now) {
  std::erase_if(questions_, [&](const Pending& each) {
    const bool is_fresh = std::all_of(ranks_.begin(), ranks_.end(), [&](const Rank& rank) {
      return !rank.link.is_open() || rank.heard > each.asked;
    });
    if (!is_fresh && now < each.due) return false;
    std::vector<RankView> views;
    for (int rank = 0; rank < size(); ++rank) views.push_back(view_of(rank, now));
    at(each.rank).link.send({Frame::Kind::answer, 0, 0, diagnosis(views, each.question)});
    return true;
  });
}

void ControlHub::consider(Cause cause, Clock::time_point now) {
  if (cause_) {
    if (cause.is_told_by_rank) give_verdict(cause.rank);
    return;
  }
  if (!cause.is_consequence) return decide(cause);
  if (!candidate_) {
    candidate_ = std::move(cause);
    decision_due_ = now + time_for_the_first;
  }
}

void ControlHub::decide(const Cause& cause) {
  cause_ = cause;
  for (const int rank : std::exchange(waiting_, {})) give_verdict(rank);
  for (int rank = 0; rank < size(); ++rank)
    if (rank != cause.rank) at(rank).link.send(ending());
  if (!cause.is_told_by_rank) {
    const std::string line = fmt::format("[rank 0 of {}] {}\n", size(), cause.text);
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
  }
}

Frame ControlHub::ending() const {
  return {Frame::Kind::end, cause_->rank, cause_->is_told_by_rank ? 0 : 1, summary(cause_->text)};
}

void ControlHub::give_verdict(int rank) {
  const bool is_first = cause_->is_told_by_rank && cause_->rank == rank;
  at(rank).link.send({Frame::Kind::verdict, cause_->rank, is_first ? 1 : 0});
}

RankView ControlHub::view_of(int rank, Clock::time_point now) const {
  const Rank& each = ranks_[static_cast<std::size_t>(rank)];
  RankView view{
      .status = each.status, .is_connected = each.link.is_open(), .has_left = each.has_left};
  if (each.was_connected)
    view.silence = std::chrono::duration_cast<std::chrono::milliseconds>(now - each.heard);
  const bool is_on_this_host = each.status.host == ranks_.front().status.host;
  if (is_on_this_host && each.status.pid > 0) view.process = process_state(each.status.pid);
  return view;
}

bool ControlHub::have_all_left() const {
  return std::all_of(ranks_.begin(), ranks_.end(), [](const Rank& each) {
    return each.has_left || (each.was_connected && !each.link.is_open());
  });
}

void ControlHub::say_goodbye() {
  for (Rank& each : ranks_) each.link.send({Frame::Kind::goodbye});
}

}  // namespace lockstep::comm
