#include "src/comm/diagnosis.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <limits>

namespace lockstep::comm {
namespace {

constexpr std::chrono::milliseconds silence_worth_telling{3000};
constexpr std::size_t most_named = 4;

// The fields of a line, between tabs.
std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  while (true) {
    const auto end = text.find(at);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

template <class T> bool read(std::string_view text, T& value) {
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  return status == std::errc{} && end == text.data() + text.size();
}

std::string seconds(std::int64_t milliseconds) {
  if (milliseconds < 10'000) return fmt::format("{:.1f} s", milliseconds / 1e3);
  return fmt::format("{} s", milliseconds / 1000);
}

const GroupStatus* group_of(const RankView& view, const Question& question) {
  const auto found =
      std::find_if(view.status.groups.begin(), view.status.groups.end(), [&](const auto& group) {
        return group.group == question.group && group.transport == question.transport;
      });
  return found == view.status.groups.end() ? nullptr : &*found;
}

bool is_stuck(const RankView& view) {
  return view.process == 'T' || view.process == 't' || view.silence > silence_worth_telling;
}

std::string sentence(const RankView& view, int rank, const char* verb) {
  const std::string last = last_op_of(view);
  return name_of(view, rank) + " " + verb + (last.empty() ? "" : "; " + last);
}

// What rank `rank` has to do with the call; empty where it is not to blame.
std::string account(const RankView& view, int rank, const Question& question) {
  if (view.has_left) return name_of(view, rank) + " has left the job";
  const GroupStatus* const group = group_of(view, question);
  if (group == nullptr)
    return question.group == 0 && is_stuck(view) ? sentence(view, rank, "never arrived") : "";
  if (question.peer >= 0)
    return group->rank == question.peer ? sentence(view, rank, "is the other side") : "";
  if (group->collective < question.sequence) return sentence(view, rank, "never arrived");
  return is_stuck(view) ? sentence(view, rank, "has arrived and goes no further") : "";
}

}  // namespace

std::string encoded(const RankStatus& status) {
  std::string text =
      fmt::format("{}\t{}\t{}\t{}", status.host, status.pid, status.activity, status.activity_ms);
  for (const GroupStatus& group : status.groups) {
    text += fmt::format("\n{}\t{}\t{}\t{}\t{}\t{}\t{}", group.group, group.transport, group.rank,
                        group.collective, group.is_finished ? 1 : 0, group.age_ms, group.last);
  }
  return text;
}

RankStatus status_from(std::string_view text) {
  RankStatus status;
  const auto lines = split(text, '\n');
  const auto head = split(lines.front(), '\t');
  if (head.size() != 4 || !read(head[1], status.pid) || !read(head[3], status.activity_ms))
    return status;
  status.host = head[0];
  status.activity = head[2];
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const auto part = split(lines[i], '\t');
    GroupStatus group;
    int is_finished = 0;
    if (part.size() != 7 || !read(part[0], group.group) || !read(part[2], group.rank) ||
        !read(part[3], group.collective) || !read(part[4], is_finished) ||
        !read(part[5], group.age_ms))
      continue;
    group.transport = part[1];
    group.is_finished = is_finished != 0;
    group.last = part[6];
    status.groups.push_back(std::move(group));
  }
  return status;
}

std::string encoded(const Question& question) {
  return fmt::format("{}\t{}\t{}\t{}", question.group, question.sequence, question.peer,
                     question.transport);
}

std::optional<Question> question_from(std::string_view text) {
  const auto part = split(text, '\t');
  Question question;
  if (part.size() != 4 || !read(part[0], question.group) || !read(part[1], question.sequence) ||
      !read(part[2], question.peer))
    return std::nullopt;
  question.transport = part[3];
  return question;
}

std::string name_of(const RankView& view, int rank) {
  if (view.status.pid == 0) return fmt::format("rank {}", rank);
  std::string text =
      fmt::format("rank {} (host {}, pid {}", rank, view.status.host, view.status.pid);
  if (view.process == 'T' || view.process == 't')
    text += ", stopped";
  else if (view.is_connected && view.silence > silence_worth_telling)
    text += fmt::format(", silent for {}", seconds(view.silence.count()));
  return text + ")";
}

std::string last_op_of(const RankView& view) {
  const GroupStatus* latest = nullptr;
  for (const GroupStatus& group : view.status.groups)
    if (!group.last.empty() && (latest == nullptr || group.age_ms < latest->age_ms))
      latest = &group;
  std::string text;
  if (latest != nullptr) {
    text = fmt::format("its last op was {}, {} {} ago", latest->last,
                       latest->is_finished ? "finished" : "started",
                       seconds(latest->age_ms + view.silence.count()));
  } else if (view.status.pid != 0) {
    text = "it has called nothing yet";
  }
  if (!view.status.activity.empty())
    text += fmt::format("; it is in {} for {}", view.status.activity,
                        seconds(view.status.activity_ms + view.silence.count()));
  return text;
}

std::string diagnosis(std::span<const RankView> ranks, const Question& question) {
  std::vector<std::string> accounts;
  for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
    std::string text = account(ranks[rank], static_cast<int>(rank), question);
    if (!text.empty()) accounts.push_back(std::move(text));
  }
  if (accounts.empty()) return "every rank has made this call: one is slow, or its network is";
  std::string text;
  for (std::size_t i = 0; i < std::min(accounts.size(), most_named); ++i)
    text += (i == 0 ? "" : "; ") + accounts[i];
  if (accounts.size() > most_named)
    text += fmt::format("; and {} ranks more", accounts.size() - most_named);
  return text;
}

char process_state(int pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string text;
  std::getline(file, text);
  const auto end = text.rfind(") ");  // the program's name may hold anything
  return end == std::string::npos || end + 2 >= text.size() ? '?' : text[end + 2];
}

}  // namespace lockstep::comm
